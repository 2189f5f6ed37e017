/** Files of rows of numbers: appended by one process, read in pieces. */
import { closeSync, openSync, readSync, writeSync } from 'node:fs';

const BUFFER_ROWS = 8_192;

export class RowWriter {
  readonly #file: number;
  readonly #columns: number;
  readonly #buffer: Float64Array;
  #used = 0;
  rows = 0;

  constructor(path: string, columns: number) {
    this.#file = openSync(path, 'w');
    this.#columns = columns;
    this.#buffer = new Float64Array(BUFFER_ROWS * columns);
  }

  add(row: readonly number[]): void {
    this.#buffer.set(row, this.#used);
    this.#used += this.#columns;
    this.rows += 1;
    if (this.#used === this.#buffer.length) this.flush();
  }

  flush(): void {
    const bytes = new Uint8Array(this.#buffer.buffer, 0, this.#used * 8);
    for (let at = 0; at < bytes.length; ) at += writeSync(this.#file, bytes, at);
    this.#used = 0;
  }

  close(): void {
    this.flush();
    closeSync(this.#file);
  }
}

/** Hands every row to `take`; the row is only valid during the call. */
export function readRows(path: string, columns: number, take: (row: Float64Array) => void): void {
  const file = openSync(path, 'r');
  try {
    const buffer = new Float64Array(BUFFER_ROWS * columns);
    const bytes = new Uint8Array(buffer.buffer);
    let held = 0;
    for (;;) {
      const read = readSync(file, bytes, held, bytes.length - held, null);
      held += read;
      const rows = Math.floor(held / 8 / columns);
      for (let row = 0; row < rows; row += 1) take(buffer.subarray(row * columns, (row + 1) * columns));
      const used = rows * columns * 8;
      bytes.copyWithin(0, used, held);
      held -= used;
      if (read === 0) return;
    }
  } finally {
    closeSync(file);
  }
}
