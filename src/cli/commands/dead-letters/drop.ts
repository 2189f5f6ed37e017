/** `holdfast dead-letters drop`: closes letters without replaying them. */
import type { Connection } from '../../../store/connection.ts';
import type { BoundedFilter, LetterFilter } from '../../../store/letter-filter.ts';
import { ask, canAsk } from '../../ask.ts';
import type { CommandContext, CommandDefinition } from '../../command-definition.ts';
import { usageFailure } from '../../command-failure.ts';
import { addLetterFlags, isNarrow, type LetterFlags, namedFilter } from '../../dead-letters/letter-flags.ts';
import { whoRuns, withLettersAlone } from '../../dead-letters/with-letters.ts';
import { EXIT_CODES, type ExitCode } from '../../exit-code.ts';
import { plural } from '../../number-text.ts';
import { onEndSignal } from '../../signals.ts';

interface DropFlags extends LetterFlags {
  readonly all?: boolean;
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
    ['holdfast dead-letters drop --code CONFLICT --before 30d --yes', 'old conflicts, without being asked'],
  ],
  exits: ['badInput', 'unavailable', 'unfinished'],
  shown: { names: ['databaseUrl'] },
  json: 'choice',
  configure: (command) => {
    addLetterFlags(command);
    command.option('--all', 'all open letters, where nothing else says which').option('--yes', 'do not ask');
  },
  run: runDrop,
};

async function runDrop(context: Context, names: readonly string[]): Promise<ExitCode> {
  const { flags, options, output, json } = context;
  return await withLettersAlone(options, 'drop', async (connection) => {
    const filter = await namedFilter(connection, flags, names);
    if (!isNarrow(filter) && flags.all !== true) {
      throw usageFailure('nothing says which letters', 'Name letters, give a filter, or take --all');
    }
    const { countLetters } = await import('../../../store/count-letters.ts');
    const { count, numberMax } = await countLetters(connection, filter);
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
    const { dropped, stopped } = await drop(connection, { ...filter, numberMax }, filter);
    if (json) await output.printJson({ dropped });
    else await output.print(`dropped ${plural(dropped, 'letter')}`);
    return stopped ? EXIT_CODES.unfinished : EXIT_CODES.ok;
  });
}

async function drop(
  connection: Connection,
  bounded: BoundedFilter,
  filter: LetterFilter,
): Promise<{ readonly dropped: number; readonly stopped: boolean }> {
  const { beginAudit } = await import('../../../store/begin-audit.ts');
  const { noteAudit } = await import('../../../store/note-audit.ts');
  const { dropLetters } = await import('../../../store/drop-letters.ts');
  const stopping = new AbortController();
  const removeHandlers = onEndSignal(() => stopping.abort());
  const auditId = await beginAudit(connection, { who: whoRuns(), action: 'drop', filter, counts: {} });
  let dropped = 0;
  try {
    while (!stopping.signal.aborted) {
      await connection.query({ text: 'BEGIN' });
      const count = await dropLetters(connection, bounded, PAGE_LETTERS);
      dropped += count;
      await noteAudit(connection, auditId, { dropped }, count === 0);
      await connection.query({ text: 'COMMIT' });
      if (count === 0) break;
    }
  } finally {
    removeHandlers();
  }
  return { dropped, stopped: stopping.signal.aborted };
}
