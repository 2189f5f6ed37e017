/** Cuts NDJSON into lines. A line above the limit is counted, not kept, so memory is bounded whatever comes. */
import type { Piece, Splitter } from './piece.ts';

const NEWLINE = 0x0a;

export class LineSplitter implements Splitter {
  readonly fault = undefined;
  readonly #bytesMax: number;
  /** The parts of a line that goes on in the next chunk. */
  #parts: Buffer[] = [];
  #partsLength = 0;
  #line = 1;

  /** @param bytesMax longest line that is kept. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Number of the line that is being read, from 1. */
  get line(): number {
    return this.#line;
  }

  push(chunk: Buffer): Piece[] {
    const pieces: Piece[] = [];
    let from = 0;
    for (;;) {
      const at = chunk.indexOf(NEWLINE, from);
      if (at < 0) break;
      this.#keep(chunk.subarray(from, at));
      pieces.push(this.#take());
      from = at + 1;
    }
    if (from < chunk.length) this.#keep(chunk.subarray(from));
    return pieces;
  }

  /** The last line may lack its newline. */
  end(): Piece[] {
    return this.#partsLength === 0 ? [] : [this.#take()];
  }

  #keep(part: Buffer): void {
    this.#partsLength += part.length;
    if (this.#partsLength > this.#bytesMax) this.#parts = [];
    else if (part.length > 0) this.#parts.push(part);
  }

  #take(): Piece {
    const [first] = this.#parts;
    const whole = this.#parts.length === 1 && first !== undefined ? first : Buffer.concat(this.#parts);
    const piece: Piece = {
      line: this.#line,
      element: undefined,
      bytes: this.#partsLength > this.#bytesMax ? undefined : whole,
      byteLength: this.#partsLength,
    };
    this.#parts = [];
    this.#partsLength = 0;
    this.#line += 1;
    return piece;
  }
}
