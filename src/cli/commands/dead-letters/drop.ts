/** `holdfast dead-letters drop`: closes letters without replaying them. */
import type { Connection } from '../../../store/connection.ts';
import type { BoundedFilter, LetterFilter } from '../../../store/letter-filter.ts';
import { ask, canAsk } from '../../ask.ts';
import type { CommandContext, CommandDefinition } from '../../command-definition.ts';
import { usageFailure } from '../../command-failure.ts';
import { addLetterFlags, isNarrow, type LetterFlags, namedFilter } from '../../dead-letters/letter-flags.ts';
import { type ListedLetter, readLetterList } from '../../dead-letters/letter-list.ts';
import { whoRuns, withLettersAlone } from '../../dead-letters/with-letters.ts';
import { EXIT_CODES, type ExitCode } from '../../exit-code.ts';
import { plural } from '../../number-text.ts';
import { onEndSignal } from '../../signals.ts';

interface DropFlags extends LetterFlags {
  readonly all?: boolean;
  readonly letters?: string;
  readonly yes?: boolean;
}

type Context = CommandContext<DropFlags>;

/** Dropped by one statement: some hundred milliseconds. */
const PAGE_LETTERS = 5_000;

export const DROP_LETTERS: CommandDefinition<DropFlags> = {
  name: 'drop',
  summary: 'close letters without sending them',
  description:
    'Closes open letters for good; what they stand for is never stored. Asks first, or wants --yes. Says who did it in ' +
    'list --audit; show shows a dropped letter until it is forgotten after tombstoneRetentionMs.',
  positional: {
    syntax: '[letter...]',
    meaning: 'numbers or ids of letters (default: all that the filters mean)',
  },
  examples: [
    ['holdfast dead-letters drop 17', 'one letter'],
    [
      'holdfast dead-letters drop --letters users.letters',
      'those that were exported, once they are published',
    ],
    ['holdfast dead-letters drop --code CONFLICT --before 30d --yes', 'old conflicts, without being asked'],
  ],
  exits: ['badInput', 'unavailable', 'unfinished'],
  shown: { names: ['databaseUrl'] },
  json: 'choice',
  configure: (command) => {
    addLetterFlags(command);
    command
      .option('--letters <file>', 'those that export --letters has written down, and no others')
      .option('--all', 'all open letters, where nothing else says which')
      .option('--yes', 'do not ask');
  },
  run: runDrop,
};

async function runDrop(context: Context, names: readonly string[]): Promise<ExitCode> {
  const { flags, options, output, json } = context;
  if (flags.letters !== undefined && names.length > 0) {
    throw usageFailure('--letters and named letters exclude each other', 'Give one of them');
  }
  const listed = flags.letters === undefined ? undefined : await readLetterList(flags.letters);
  return await withLettersAlone(options, 'drop', async (connection) => {
    const filter = await namedFilter(connection, flags, names);
    if (!isNarrow(filter) && listed === undefined && flags.all !== true) {
      throw usageFailure('nothing says which letters', 'Name letters, give a filter, or take --all');
    }
    const { countLetters } = await import('../../../store/count-letters.ts');
    const parts: BoundedFilter[] = [];
    let count = 0;
    for (const part of listed === undefined ? [filter] : partsOf(filter, listed)) {
      const counted = await countLetters(connection, part);
      count += counted.count;
      // What comes in while somebody is asked is not meant.
      parts.push({ ...part, numberMax: counted.numberMax });
    }
    if (count === 0) {
      if (json) await output.printJson({ dropped: 0 });
      else await output.print('no open letter is meant');
      return EXIT_CODES.ok;
    }
    const letters = plural(count, 'letter');
    if (flags.yes !== true && !canAsk()) throw usageFailure(`would drop ${letters}`, 'Add --yes to do it');
    if (flags.yes !== true && !(await ask(`Drop ${letters}? What they stand for is then never stored.`))) {
      await output.print('nothing was dropped');
      return EXIT_CODES.ok;
    }
    const told = listed === undefined ? {} : { letters: flags.letters, listed: listed.length };
    const { dropped, stopped } = await drop(connection, parts, { ...filter, ...told });
    if (json) await output.printJson({ dropped });
    else await output.print(`dropped ${plural(dropped, 'letter')}`);
    return stopped ? EXIT_CODES.unfinished : EXIT_CODES.ok;
  });
}

/** The letters of a list, a page of them at a time. */
function partsOf(filter: LetterFilter, listed: readonly ListedLetter[]): LetterFilter[] {
  const parts: LetterFilter[] = [];
  for (let from = 0; from < listed.length; from += PAGE_LETTERS) {
    const page = listed.slice(from, from + PAGE_LETTERS);
    const numbers = page.map(({ number }) => number);
    parts.push({ ...filter, numbers, letterIds: page.map(({ letterId }) => letterId) });
  }
  return parts;
}

/** @param told what the audit remembers of what was asked for. */
async function drop(
  connection: Connection,
  parts: readonly BoundedFilter[],
  told: object,
): Promise<{ readonly dropped: number; readonly stopped: boolean }> {
  const { beginAudit } = await import('../../../store/begin-audit.ts');
  const { noteAudit } = await import('../../../store/note-audit.ts');
  const { dropLetters } = await import('../../../store/drop-letters.ts');
  const stopping = new AbortController();
  const removeHandlers = onEndSignal(() => stopping.abort());
  const auditId = await beginAudit(connection, { who: whoRuns(), action: 'drop', filter: told, counts: {} });
  let dropped = 0;
  try {
    const left = [...parts];
    while (!stopping.signal.aborted) {
      const [part] = left;
      await connection.query({ text: 'BEGIN' });
      const count = part === undefined ? 0 : await dropLetters(connection, part, PAGE_LETTERS);
      if (count === 0) left.shift();
      dropped += count;
      await noteAudit(connection, auditId, { dropped }, left.length === 0);
      await connection.query({ text: 'COMMIT' });
      if (left.length === 0) break;
    }
  } finally {
    removeHandlers();
  }
  return { dropped, stopped: stopping.signal.aborted };
}
