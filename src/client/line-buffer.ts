/**
 * Where the lines of commands are written as soon as they are handed over: large buffers, one after the other, so that a
 * frame mostly is one piece of one of them, and the texts of thousands of documents need not live until they are sent.
 */

/** Frames of 128 KiB, the default, mostly fit; 64 partitions with one each make 8 MiB. */
const CHUNK_BYTES = 131_072;

/** Where lines stand. */
export interface Lines {
  chunk: Buffer;
  start: number;
  end: number;
}

const NEWLINE = 0x0a;

export class LineBuffer {
  #chunk = Buffer.alloc(0);
  #used = 0;

  /** Writes a line that ends with a newline, and behind it a line without one, if there is one. */
  write(line: string, document: string | undefined): Readonly<Lines> {
    // A UTF-16 unit becomes three bytes of UTF-8 at most; only near the end of a chunk it must be known exactly.
    const units = line.length + (document === undefined ? 0 : document.length + 1);
    if (3 * units > this.#chunk.length - this.#used) this.#makeRoom(line, document);
    const chunk = this.#chunk;
    const start = this.#used;
    let end = start + chunk.write(line, start);
    if (document !== undefined) {
      end += chunk.write(document, end);
      chunk[end] = NEWLINE;
      end += 1;
    }
    this.#used = end;
    return { chunk, start, end };
  }

  /** Takes the lines back that were written last. */
  undo({ chunk, start, end }: Readonly<Lines>): void {
    if (chunk === this.#chunk && end === this.#used) this.#used = start;
  }

  #makeRoom(line: string, document: string | undefined): void {
    const bytes = Buffer.byteLength(line) + (document === undefined ? 0 : Buffer.byteLength(document) + 1);
    if (bytes <= this.#chunk.length - this.#used) return;
    this.#chunk = Buffer.allocUnsafeSlow(Math.max(CHUNK_BYTES, bytes));
    this.#used = 0;
  }
}

/** The bytes of lines in one piece. Shares their chunk if they stand there one behind the other. */
export function joinLines(all: readonly Readonly<Lines>[]): Buffer {
  const runs: Lines[] = [];
  for (const { chunk, start, end } of all) {
    const last = runs.at(-1);
    if (last !== undefined && last.chunk === chunk && last.end === start) {
      runs[runs.length - 1] = { chunk, start: last.start, end };
    } else {
      runs.push({ chunk, start, end });
    }
  }
  const pieces = runs.map(({ chunk, start, end }) => chunk.subarray(start, end));
  const [only] = pieces;
  return pieces.length === 1 && only !== undefined ? only : Buffer.concat(pieces);
}

/** Moves lines that will stay to a place of their own, so that a few of them do not keep whole chunks. */
export function detachLines(all: readonly Lines[]): void {
  const bytes = all.reduce((sum, { start, end }) => sum + end - start, 0);
  if (bytes * 2 > CHUNK_BYTES) return;
  const chunk = Buffer.allocUnsafeSlow(bytes);
  let at = 0;
  for (const lines of all) {
    const start = at;
    at += lines.chunk.copy(chunk, at, lines.start, lines.end);
    lines.chunk = chunk;
    lines.start = start;
    lines.end = at;
  }
}
