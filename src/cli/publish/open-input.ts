/** Opens what is to be published: a file of any size, or standard input. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { usageFailure } from '../command-failure.ts';

export interface Input {
  readonly stream: Readable;
  /** Bytes in all, where that is known. */
  readonly byteLength: number | undefined;
  /** As it is named in messages. */
  readonly name: string;
}

/** Large enough that reading is not what takes the time. */
const CHUNK_BYTES = 262_144;

/** @param file a path, or `-` for standard input. @throws CommandFailure if it cannot be read. */
export async function openInput(file: string): Promise<Input> {
  if (file === '-') return { stream: process.stdin, byteLength: undefined, name: 'standard input' };
  try {
    const status = await stat(file);
    if (status.isDirectory())
      throw usageFailure(`${file} is a folder`, 'Name a file, or - for standard input');
    const stream = createReadStream(file, { highWaterMark: CHUNK_BYTES });
    await new Promise<void>((resolve, reject) => {
      stream.once('open', () => resolve());
      stream.once('error', reject);
    });
    return { stream, byteLength: status.isFile() ? status.size : undefined, name: file };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === undefined) throw error;
    const why = code === 'ENOENT' ? 'does not exist' : `cannot be read (${code})`;
    throw usageFailure(`${file} ${why}`, 'Name a file, or - for standard input');
  }
}
