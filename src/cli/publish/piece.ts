/** What an input file is cut into: lines, or the elements of one array. */

/** Where a piece begins, as a person finds it again. */
export interface Place {
  /** From 1. */
  readonly line: number;
  /** Of an array: the number of the element, from 1. */
  readonly element: number | undefined;
}

export interface Piece extends Place {
  /** Without the newline or comma that ends it; `undefined` if it was too long to be kept. */
  readonly bytes: Buffer | undefined;
  /** How long it is. */
  readonly byteLength: number;
}

/** Cuts a stream of bytes into pieces and holds no more than one of them. */
export interface Splitter {
  /** Why nothing behind the pieces so far can be read; `undefined` while all is well. */
  readonly fault: string | undefined;
  /** The pieces that end in this part of the input. */
  push(chunk: Buffer): Piece[];
  /** What is left at the end of the input. */
  end(): Piece[];
}

/** `line 17`, `element 3, line 40`. */
export function placeText({ line, element }: Place): string {
  return element === undefined ? `line ${line}` : `element ${element}, line ${line}`;
}
