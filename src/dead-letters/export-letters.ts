/** Letters as lines that holdfast publish takes. */
import { isUtf8 } from 'node:buffer';
import type { WholeLetter } from '../store/stored-letter.ts';
import { readContent } from './letter-content.ts';

export interface ExportedLetter {
  /** Empty if it has nothing to publish. */
  readonly lines: Buffer;
  /** Why there is nothing; `undefined` if there is something. */
  readonly leftOut: 'not UTF-8' | 'nothing but loads' | undefined;
}

const NEWLINE = Buffer.from('\n');

/**
 * The saves and deletes of a letter, byte for byte, valid or not. What is no frame is given line by line as it came:
 * publish names the lines that it cannot read, and takes the others. What is no text cannot stand in such a file.
 */
export function exportLetter(letter: WholeLetter, documentBytesMax: number): ExportedLetter {
  const { body } = letter;
  if (!isUtf8(body)) return { lines: Buffer.alloc(0), leftOut: 'not UTF-8' };
  const { writes, invalid, loads, error } = readContent(letter, { documentBytesMax });
  if (error !== undefined || loads === 0) return { lines: ended(body), leftOut: undefined };
  const parts = [...writes, ...invalid].toSorted((one, other) => one.start - other.start);
  if (parts.length === 0) return { lines: Buffer.alloc(0), leftOut: 'nothing but loads' };
  return {
    lines: Buffer.concat(parts.map(({ start, end }) => ended(body.subarray(start, end)))),
    leftOut: undefined,
  };
}

function ended(lines: Buffer): Buffer {
  return lines.at(-1) === NEWLINE[0] ? lines : Buffer.concat([lines, NEWLINE]);
}
