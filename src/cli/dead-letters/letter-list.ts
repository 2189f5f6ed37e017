/**
 * The file in which export writes down which letters it has written, and by which drop closes exactly those. A bound on
 * numbers could not say it: letters that two workers put in at once become visible in another order than numbered, and
 * what is written first is what failed first.
 */
import { readFile, stat } from 'node:fs/promises';
import type { StoredLetter } from '../../store/stored-letter.ts';
import { CommandFailure, messageOf, usageFailure } from '../command-failure.ts';
import { EXIT_CODES } from '../exit-code.ts';

/** A number tells whether the letter was opened anew since; an id, whether it is of another database. */
export type ListedLetter = Pick<StoredLetter, 'number' | 'letterId'>;

/** A million letters and more; all of it is read at once. */
const LIST_BYTES_MAX = 64 * 1_048_576;

const LINE = /^(?<number>[1-9]\d{0,14}) (?<letterId>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;

export function listLine({ number, letterId }: ListedLetter): string {
  return `${number} ${letterId}\n`;
}

/** @throws CommandFailure if there is no such file, or it is another one. */
export async function readLetterList(file: string): Promise<ListedLetter[]> {
  const lines = (await read(file)).split('\n');
  return lines.flatMap((line, index) => {
    if (line === '' && index === lines.length - 1) return [];
    const { number, letterId } = LINE.exec(line)?.groups ?? {};
    if (letterId !== undefined) return [{ number: Number(number), letterId }];
    throw new CommandFailure(
      EXIT_CODES.badInput,
      `${file}, line ${index + 1}: not the number and id of a letter`,
      'Give the file that export --letters has written',
    );
  });
}

async function read(file: string): Promise<string> {
  try {
    if ((await stat(file)).size <= LIST_BYTES_MAX) return await readFile(file, 'utf8');
  } catch (error) {
    throw usageFailure(
      `${file} could not be read: ${messageOf(error)}`,
      'Give the file that export --letters has written',
    );
  }
  throw usageFailure(`${file} has more than ${LIST_BYTES_MAX} bytes`, 'Split it at the end of a line');
}
