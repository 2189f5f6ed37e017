/** `holdfast dead-letters export`: letters as a file that holdfast publish takes. */
import { existsSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import type { Connection } from '../../../store/connection.ts';
import type { LetterPosition } from '../../../store/page-letters.ts';
import type { CommandContext, CommandDefinition } from '../../command-definition.ts';
import { CommandFailure, messageOf, usageFailure } from '../../command-failure.ts';
import { addLetterFlags, type LetterFlags, namedFilter } from '../../dead-letters/letter-flags.ts';
import { listLine } from '../../dead-letters/letter-list.ts';
import { withLetters } from '../../dead-letters/with-letters.ts';
import { EXIT_CODES, type ExitCode } from '../../exit-code.ts';
import { wholeNumber } from '../../flag-values.ts';
import { countText, plural } from '../../number-text.ts';

interface ExportFlags extends LetterFlags {
  readonly limit?: number;
  readonly letters?: string;
  readonly force?: boolean;
}

type Context = CommandContext<ExportFlags>;

const PAGE = { lettersMax: 500, bytesMax: 8 * 1_048_576 };
/** Letters that could not be written, named one by one. */
const NAMED_MAX = 20;

export const EXPORT_LETTERS: CommandDefinition<ExportFlags> = {
  name: 'export',
  summary: 'write letters to a file that publish takes',
  description:
    'Writes the saves and deletes of open letters to a file, byte for byte, the oldest first: an action line and, for a ' +
    'save, its document behind it. Correct the file and give it to holdfast publish. What was no frame stands in it line ' +
    'by line as it came; publish names the lines that it cannot read. Loads are left out, and letters that are no UTF-8 ' +
    'are named. The letters stay open. With --letters it writes down which they are, so that drop --letters closes ' +
    'exactly those once the file is published, whatever has come in since.',
  positional: { syntax: '<file>', meaning: 'file to write, or - for standard output' },
  examples: [
    ['holdfast dead-letters export users.ndjson --letters users.letters --type User', 'write them to a file'],
    ['holdfast publish users.ndjson --until persisted', 'send the file after it was corrected'],
    ['holdfast dead-letters drop --letters users.letters', 'it ended with 0: they are done with'],
  ],
  exits: ['badInput', 'unavailable', 'outputFailed'],
  shown: { names: ['databaseUrl', 'documentBytesMax'] },
  json: 'choice',
  configure: (command) => {
    command.argument('[letter...]', 'numbers or ids of letters (default: all that the filters mean)');
    addLetterFlags(command);
    command
      .option('--limit <n>', 'look at so many at most, the oldest', wholeNumber(1))
      .option('--letters <file>', 'write down there which letters were written, for drop --letters')
      .option('--force', 'write over files that exist');
  },
  run: runExport,
};

interface Tally {
  written: number;
  /** Highest number of those written; 0 if there is none. */
  numberMax: number;
  bytes: number;
  readonly loads: number[];
  readonly notText: number[];
}

async function runExport(context: Context, [file = '-', ...names]: readonly string[]): Promise<ExitCode> {
  const { flags, options, output, json } = context;
  if (json && file === '-')
    throw usageFailure('--json and - exclude each other', 'Write the letters to a file');
  const list = flags.letters;
  if (list === file || list === '-')
    throw usageFailure('--letters takes another file', 'Name one of its own');
  for (const each of [file, ...(list === undefined ? [] : [list])]) {
    if (each === '-' || flags.force === true || !existsSync(each)) continue;
    throw usageFailure(`${each} exists`, 'Name another file, or add --force to write over it');
  }
  const tally: Tally = { written: 0, numberMax: 0, bytes: 0, loads: [], notText: [] };
  await withLetters(options, 'dead-letters', async (connection) => {
    const writeAll = async (listed: (line: Buffer) => Promise<void>): Promise<void> => {
      const run = (write: (lines: Buffer) => Promise<void>): Promise<void> =>
        writeLetters(context, connection, names, tally, { write, listed });
      await (file === '-' ? run((lines) => output.write(lines)) : writeFile(file, run));
    };
    await (list === undefined ? writeAll(async () => undefined) : writeFile(list, writeAll));
  });
  const { written, numberMax, bytes, loads, notText } = tally;
  if (json) {
    const letters = list ?? null;
    await output.printJson({ file, letters, written, numberMax, bytes, loads: loads.length, notText });
  } else {
    const where = file === '-' ? '' : ` to ${file}`;
    const highest = written === 0 ? '' : `, the highest number is ${numberMax}`;
    output.note(`${plural(written, 'letter')} written${where}${highest}; they stay open`);
    if (list !== undefined && written > 0) {
      output.note(`once it is published, close exactly these: holdfast dead-letters drop --letters ${list}`);
    }
    if (loads.length > 0) output.note(`${plural(loads.length, 'letter')} left out: nothing but loads`);
    if (notText.length > 0) {
      const named = notText.slice(0, NAMED_MAX).join(', ') + (notText.length > NAMED_MAX ? ', …' : '');
      output.note(
        `${countText(notText.length)} left out, since they are no UTF-8: ${named}; holdfast dead-letters show <letter> --body writes one`,
      );
    }
  }
  return notText.length > 0 ? EXIT_CODES.badInput : EXIT_CODES.ok;
}

async function writeLetters(
  { flags, options, output }: Context,
  connection: Connection,
  names: readonly string[],
  tally: Tally,
  { write, listed }: Record<'write' | 'listed', (bytes: Buffer) => Promise<void>>,
): Promise<void> {
  const { takeLetters } = await import('../../../store/take-letters.ts');
  const { countLetters } = await import('../../../store/count-letters.ts');
  const { exportLetter } = await import('../../../dead-letters/export-letters.ts');
  const filter = await namedFilter(connection, flags, names);
  const { numberMax } = await countLetters(connection, filter);
  let left = flags.limit ?? Number.POSITIVE_INFINITY;
  let behind: LetterPosition | undefined;
  while (left > 0 && !output.closed) {
    const limits = { ...PAGE, lettersMax: Math.min(PAGE.lettersMax, left) };
    const letters = await takeLetters(connection, { ...filter, numberMax }, behind, limits);
    if (letters.length === 0) return;
    for (const letter of letters) {
      const { lines, leftOut } = exportLetter(letter, options.documentBytesMax);
      if (leftOut !== undefined) {
        (leftOut === 'not UTF-8' ? tally.notText : tally.loads).push(letter.number);
        continue;
      }
      await write(lines);
      // A reader that has gone away did not get it.
      if (output.closed) return;
      await listed(Buffer.from(listLine(letter)));
      tally.written += 1;
      tally.numberMax = Math.max(tally.numberMax, letter.number);
      tally.bytes += lines.length;
    }
    behind = letters.at(-1);
    left -= letters.length;
  }
}

/** Writes beside the file and renames at the end, so that there is never half a file of that name. */
async function writeFile(
  file: string,
  run: (append: (lines: Buffer) => Promise<void>) => Promise<void>,
): Promise<void> {
  const partial = `${file}.partial`;
  try {
    const handle = await open(partial, 'w', 0o600);
    try {
      await run(async (lines) => {
        await handle.appendFile(lines);
      });
    } finally {
      await handle.close();
    }
    await rename(partial, file);
  } catch (error) {
    await rm(partial, { force: true });
    if (!(error instanceof Error) || !('syscall' in error)) throw error;
    throw new CommandFailure(
      EXIT_CODES.outputFailed,
      `${file} could not be written: ${messageOf(error)}`,
      'Name another file',
      {
        cause: error,
      },
    );
  }
}
