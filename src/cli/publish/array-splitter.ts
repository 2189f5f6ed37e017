/**
 * Cuts one JSON array into its elements, whose bytes stay as they are. Counts brackets outside strings and knows nothing
 * else of JSON: whether an element is a good document is judged later, so one bad element costs one line of complaint.
 *
 * States: before `[` -> before an element (or the end) -> in an element -> behind one -> before the next ... -> behind
 * `]`, where only white space may follow.
 */
import { type Piece, type Place, placeText, type Splitter } from './piece.ts';

const NEWLINE = 0x0a;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

type State = 'before' | 'element or end' | 'element' | 'in element' | 'behind element' | 'behind';

export class ArraySplitter implements Splitter {
  fault: string | undefined;
  readonly #bytesMax: number;
  #state: State = 'before';
  #line: number;
  #element = 0;
  /** Of the element that is being read. */
  #startLine = 1;
  #depth = 0;
  #complete = false;
  #inString = false;
  #escaped = false;
  #parts: Buffer[] = [];
  #partsLength = 0;

  /**
   * @param bytesMax longest element that is kept.
   * @param line the number of the line that it begins in.
   */
  constructor(bytesMax: number, line = 1) {
    this.#bytesMax = bytesMax;
    this.#line = line;
  }

  push(chunk: Buffer): Piece[] {
    const pieces: Piece[] = [];
    // Where the bytes of the present element begin in this chunk.
    let from = 0;
    let at = 0;
    while (at < chunk.length && this.fault === undefined) {
      if (this.#state === 'in element') {
        at = this.#scan(chunk, at);
        this.#keep(chunk.subarray(from, at));
        if (this.#complete) pieces.push(this.#take());
        continue;
      }
      const byte = chunk[at] as number;
      if (byte === NEWLINE) this.#line += 1;
      if (!isSpace(byte) && this.#between(byte)) {
        from = at;
        continue;
      }
      at += 1;
      from = at;
    }
    return pieces;
  }

  end(): Piece[] {
    if (this.#state !== 'behind') this.fault ??= `the array is not closed${this.#behind()}`;
    return [];
  }

  /** Reads a byte outside elements; returns whether an element begins with it. Sets `fault` where none may stand. */
  #between(byte: number): boolean {
    switch (this.#state) {
      case 'before':
        if (byte === OPEN_BRACKET) this.#state = 'element or end';
        else this.fault = 'the array does not begin with "["';
        return false;
      case 'element or end':
      case 'element':
        if (byte === CLOSE_BRACKET && this.#state === 'element or end') {
          this.#state = 'behind';
          return false;
        }
        this.#state = 'in element';
        this.#element += 1;
        this.#startLine = this.#line;
        return true;
      case 'behind element':
        if (byte !== COMMA && byte !== CLOSE_BRACKET) {
          this.fault = `"," or "]" is missing${this.#behind()}`;
        }
        this.#state = byte === COMMA ? 'element' : 'behind';
        return false;
      case 'behind':
        this.fault = `something follows the array in line ${this.#line}`;
        return false;
      case 'in element':
        return false;
      default:
        return this.#state satisfies never;
    }
  }

  /** Goes on in an element up to its end, which makes it complete, or up to the end of the chunk; returns where. */
  #scan(chunk: Buffer, start: number): number {
    for (let at = start; at < chunk.length; at += 1) {
      const byte = chunk[at] as number;
      if (byte === NEWLINE) this.#line += 1;
      if (this.#inString) {
        if (this.#escaped) this.#escaped = false;
        else if (byte === BACKSLASH) this.#escaped = true;
        else if (byte === QUOTE) this.#inString = false;
      } else if (byte === QUOTE) {
        this.#inString = true;
      } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
        this.#depth += 1;
      } else if (this.#depth === 0 && (byte === COMMA || byte === CLOSE_BRACKET)) {
        // A number, a word or a string: nothing that can be a document, but it has an end.
        this.#complete = true;
        return at;
      } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
        this.#depth = Math.max(0, this.#depth - 1);
        if (this.#depth > 0) continue;
        this.#complete = true;
        return at + 1;
      }
    }
    return chunk.length;
  }

  #keep(part: Buffer): void {
    this.#partsLength += part.length;
    if (this.#partsLength > this.#bytesMax) this.#parts = [];
    else if (part.length > 0) this.#parts.push(part);
  }

  #take(): Piece {
    const piece: Piece = {
      ...this.#place(),
      bytes: this.#partsLength > this.#bytesMax ? undefined : Buffer.concat(this.#parts),
      byteLength: this.#partsLength,
    };
    this.#parts = [];
    this.#partsLength = 0;
    this.#state = 'behind element';
    this.#complete = false;
    return piece;
  }

  #place(): Place {
    return { line: this.#startLine, element: this.#element };
  }

  #behind(): string {
    return this.#element === 0 ? '' : ` behind ${placeText(this.#place())}`;
  }
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === NEWLINE || byte === 0x0d || byte === 0x09;
}
