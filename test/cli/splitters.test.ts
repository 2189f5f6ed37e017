/** Cutting of input: the same pieces, however the bytes arrive, and never more than one piece in memory. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ArraySplitter } from '../../src/cli/publish/array-splitter.ts';
import { LineSplitter } from '../../src/cli/publish/line-splitter.ts';
import type { Piece, Splitter } from '../../src/cli/publish/piece.ts';

/** Feeds bytes in chunks that end at the given places. */
function split(splitter: Splitter, bytes: Buffer, cuts: readonly number[] = []): Piece[] {
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].toSorted((a, b) => a - b);
  const pieces: Piece[] = [];
  let from = 0;
  for (const to of [...places, bytes.length]) {
    if (splitter.fault === undefined) pieces.push(...splitter.push(bytes.subarray(from, to)));
    from = to;
  }
  if (splitter.fault === undefined) pieces.push(...splitter.end());
  return pieces;
}

const texts = (pieces: readonly Piece[]): (string | undefined)[] =>
  pieces.map(({ bytes }) => bytes?.toString());

describe('lines', () => {
  it('are the same however the bytes arrive', () => {
    const line = fc.string({ unit: 'binary' }).map((text) => text.replaceAll('\n', ' '));
    fc.assert(
      fc.property(fc.array(line), fc.array(fc.nat()), (lines, cuts) => {
        const bytes = Buffer.from(lines.map((each) => `${each}\n`).join(''));
        const pieces = split(new LineSplitter(1_000_000), bytes, cuts);
        expect(texts(pieces)).toEqual(lines.map((each) => Buffer.from(each).toString()));
        expect(pieces.map((piece) => piece.line)).toEqual(lines.map((_, index) => index + 1));
      }),
    );
  });

  it('include a last one without a newline', () => {
    expect(texts(split(new LineSplitter(100), Buffer.from('a\nb')))).toEqual(['a', 'b']);
  });

  it('above the limit are counted and not kept', () => {
    const pieces = split(new LineSplitter(3), Buffer.from('abc\nabcd\nef\n'), [5, 6]);
    expect(texts(pieces)).toEqual(['abc', undefined, 'ef']);
    expect(pieces.map(({ byteLength, line }) => [line, byteLength])).toEqual([
      [1, 3],
      [2, 4],
      [3, 2],
    ]);
  });
});

describe('elements of an array', () => {
  const layout = fc.constantFrom('', ' ', '\n', '\r\n\t');

  it('are the same bytes however the bytes arrive', () => {
    const element = fc.oneof(fc.dictionary(fc.string(), fc.jsonValue()), fc.jsonValue());
    fc.assert(
      fc.property(fc.array(element), layout, fc.array(fc.nat()), (values, space, cuts) => {
        const elements = values.map((value) => JSON.stringify(value));
        const bytes = Buffer.from(`${space}[${space}${elements.join(`${space},${space}`)}${space}]${space}`);
        const splitter = new ArraySplitter(1_000_000);
        const pieces = split(splitter, bytes, cuts);
        expect(splitter.fault).toBeUndefined();
        // A scalar ends at the comma, so it keeps the white space before it.
        expect(texts(pieces).map((text) => text?.trim())).toEqual(elements);
        expect(pieces.map((piece) => piece.element)).toEqual(values.map((_, index) => index + 1));
      }),
    );
  });

  it('know their lines', () => {
    const pieces = split(new ArraySplitter(100), Buffer.from('[\n{"a":\n1},\n\n{"b":2}\n]'));
    expect(pieces.map(({ line, element }) => [line, element])).toEqual([
      [2, 1],
      [5, 2],
    ]);
  });

  it('know their lines also where the array begins further down', () => {
    expect(split(new ArraySplitter(100, 4), Buffer.from(' [\n{}]')).map(({ line }) => line)).toEqual([5]);
  });

  it('above the limit are counted and not kept', () => {
    const pieces = split(new ArraySplitter(8), Buffer.from('[{"a":1},{"a":"long"},{"b":2}]'), [12]);
    expect(texts(pieces)).toEqual(['{"a":1}', undefined, '{"b":2}']);
    expect(pieces[1]?.byteLength).toBe(12);
  });

  it.each([
    ['[{"a":1}', 'the array is not closed behind element 1, line 1'],
    ['[', 'the array is not closed'],
    ['[{"a":1}x]', '"," or "]" is missing behind element 1, line 1'],
    ['[{"a":1}]\n{"b":2}', 'something follows the array in line 2'],
  ])('of %s are given, and what is wrong is said', (text, fault) => {
    const splitter = new ArraySplitter(100);
    const pieces = split(splitter, Buffer.from(text), [3]);
    expect(splitter.fault).toBe(fault);
    expect(texts(pieces)).toEqual(text === '[' ? [] : ['{"a":1}']);
  });
});
