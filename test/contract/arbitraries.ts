/**
 * Random documents, commands and damage, shared by the tests of the contract.
 *
 * Documents are made as text, not from values: what is tested is bytes, and `JSON.stringify` never writes duplicate
 * keys, 64-bit integers, needless escapes or whitespace.
 */
import * as fc from 'fast-check';
import type { ListCommand, LoadCommand, PartitionCommand, SaveCommand } from '../../src/contract/command.ts';

/** Ids and types: 1 to 255 code points, well-formed, without U+0000. */
export const identifiers: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }).map((text) => text.replaceAll('\0', '0')),
  fc.constantFrom('__proto__', 'constructor', 'shard#5/x', '"', '\\', '\n', '\ufeff', '😀'.repeat(255)),
);

export const positives = fc.oneof(
  fc.constantFrom(1, Number.MAX_SAFE_INTEGER),
  fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
);
export const naturals = fc.oneof(fc.constant(0), positives);
export const maybe = <T>(values: fc.Arbitrary<T>) => fc.option(values, { nil: undefined });

/** A record as a literal makes it: `toStrictEqual` tells one without a prototype apart. */
function record<T>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record<T>(fields, { noNullPrototype: true });
}

/** Parts of a string literal, each a whole character or a whole escape. */
const STRING_PIECES = [
  '\\"',
  '\\\\',
  '\\/',
  '\\b',
  '\\n',
  '\\u00e9',
  '\\u001F',
  '\\ud83d\\ude00',
  '\\uD83D\\uDE00',
  '\\\\u0000',
  '\\\\ud800',
  '\\u005cu0000',
  '\u2028',
  '\u007f',
  '\ufeff',
  '😀',
  'é',
  ':',
  '{',
  ']',
  ',',
];
const HOSTILE_PIECES = ['\\u0000', '\\ud800', '\\uDBff', '\\udc00', '\\uDFFF', '\\\\', 'u0000'];

const NUMBERS = [
  '0',
  '-0',
  '9007199254740993',
  '-9223372036854775808',
  '18446744073709551615',
  '1.000',
  '0.1e1',
  '1e1000',
  '1E-1000',
  '1e+0000000000007',
  '123456789012345678901234567890.123456789',
];
const HOSTILE_NUMBERS = [
  '1e1001',
  '0E-1001',
  '-1e+99999999999999999999',
  '1e-000000000001001',
  '1'.repeat(131_073),
  `0.${'1'.repeat(16_384)}`,
  `1.${'0'.repeat(16_000)}e-384`,
  '1'.repeat(131_072),
];

const KEYS = ['a', 'b', '', '__proto__', 'constructor', 'toString', '\\u0061'];

/** The text of one JSON object on one line; with `hostile`, now and then one that PostgreSQL cannot store. */
export function documents(hostile = false): fc.Arbitrary<string> {
  const whitespace = fc.constantFrom('', '', '', '', ' ', '\t', '\r', ' \r\t');
  const spaced = (token: fc.Arbitrary<string>): fc.Arbitrary<string> =>
    fc.tuple(whitespace, token, whitespace).map((parts) => parts.join(''));
  const strings = fc
    .array(
      fc.oneof(
        { weight: 8, arbitrary: fc.constantFrom(...STRING_PIECES) },
        {
          weight: 8,
          arbitrary: fc.string({ maxLength: 5 }).map((text) => JSON.stringify(text).slice(1, -1)),
        },
        { weight: hostile ? 2 : 0, arbitrary: fc.constantFrom(...HOSTILE_PIECES) },
      ),
      { maxLength: 5 },
    )
    .map((pieces) => `"${pieces.join('')}"`);
  const numbers = fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(...NUMBERS) },
    { weight: 6, arbitrary: fc.double({ noNaN: true, noDefaultInfinity: true }).map(String) },
    { weight: hostile ? 1 : 0, arbitrary: fc.constantFrom(...HOSTILE_NUMBERS) },
  );
  const { object } = fc.letrec<{ object: string; value: string }>((tie) => ({
    object: fc
      .array(
        fc
          .tuple(
            spaced(
              fc.oneof(
                fc.constantFrom(...KEYS).map((key) => `"${key}"`),
                strings,
              ),
            ),
            spaced(tie('value')),
          )
          .map((member) => member.join(':')),
        { maxLength: 5 },
      )
      .chain((members) =>
        members.length > 0
          ? fc.constant(`{${members.join(',')}}`)
          : whitespace.map((inside) => `{${inside}}`),
      ),
    value: fc.oneof(
      { maxDepth: 4, depthIdentifier: 'document' },
      numbers,
      strings,
      fc.constantFrom('true', 'false', 'null'),
      fc.array(spaced(tie('value')), { maxLength: 4 }).map((elements) => `[${elements.join(',')}]`),
      tie('object'),
    ),
  }));
  return spaced(object);
}

/** A command and, for a save, its document line. */
export interface Line<C> {
  readonly command: C;
  readonly document: string | undefined;
}

const saves: fc.Arbitrary<Line<SaveCommand>> = record({
  command: record({
    action: fc.constant('save' as const),
    id: identifiers,
    type: identifiers,
    version: positives,
    epoch: naturals,
    ifVersion: maybe(naturals),
    nextRcseq: maybe(naturals),
  }),
  document: documents(),
});

const deletes: fc.Arbitrary<Line<PartitionCommand>> = record({
  action: fc.constant('delete' as const),
  id: identifiers,
  version: positives,
  epoch: naturals,
  ifVersion: maybe(naturals),
}).map((command) => ({ command, document: undefined }));

/** What may stand in a frame of unordered loads, besides a list. */
export const plainLoads: fc.Arbitrary<LoadCommand> = record({
  action: fc.constant('load' as const),
  id: identifiers,
  claim: fc.constant(undefined),
  epoch: fc.constant(0),
  document: fc.boolean(),
  deadline: maybe(naturals),
});
const claims: fc.Arbitrary<LoadCommand> = fc
  .tuple(plainLoads, fc.uuid(), naturals)
  .map(([load, claim, epoch]) => ({ ...load, claim, epoch }));

/** What may stand in a partition's frame. */
export const partitionLines: fc.Arbitrary<Line<PartitionCommand>> = fc.oneof(
  saves,
  deletes,
  fc.oneof(plainLoads, claims).map((command) => ({ command, document: undefined })),
);

export const lists: fc.Arbitrary<ListCommand> = record({
  action: fc.constant('list' as const),
  type: identifiers,
  after: maybe(identifiers),
  limit: fc.integer({ min: 1, max: 10_000 }),
  documents: fc.boolean(),
  deadline: maybe(naturals),
});

type Damage = (bytes: Buffer) => Buffer;

/** The index at a position from 0 to 1 in something so long. */
function at(position: number, length: number): number {
  return Math.floor(position * length);
}

function cutEnd(position: number): Damage {
  return (bytes) => bytes.subarray(0, at(position, bytes.length));
}

function cutStart(position: number): Damage {
  return (bytes) => bytes.subarray(at(position, bytes.length));
}

function flip([position, mask]: [number, number]): Damage {
  return (bytes) => {
    const index = at(position, bytes.length);
    return Buffer.from(bytes.map((byte, each) => (each === index ? byte ^ mask : byte)));
  };
}

function insert([position, character]: [number, string]): Damage {
  return (bytes) => {
    const index = at(position, bytes.length);
    return Buffer.concat([bytes.subarray(0, index), Buffer.from(character), bytes.subarray(index)]);
  };
}

function onLines(change: (lines: string[]) => string[]): Damage {
  return (bytes) => Buffer.from(change(bytes.toString('latin1').split(/(?<=\n)/u)).join(''), 'latin1');
}

function dropLine(position: number): Damage {
  return onLines((lines) => lines.toSpliced(at(position, lines.length), 1));
}

function doubleLine(position: number): Damage {
  return onLines((lines) => {
    const index = at(position, lines.length);
    return lines.toSpliced(index, 0, ...lines.slice(index, index + 1));
  });
}

function swapLines([one, other]: [number, number]): Damage {
  return onLines((lines) => {
    const from = at(one, lines.length);
    const to = at(other, lines.length);
    return lines.map((line, index) => lines[index === from ? to : index === to ? from : index] ?? line);
  });
}

// Not `fc.double`, which chooses among representations: nearly all would be next to 0.
const positions = fc.integer({ min: 0, max: 999_999 }).map((parts) => parts / 1_000_000);
const masks = fc.constantFrom(1, 2, 4, 8, 16, 32, 64, 128, 255);
const insertions = fc.constantFrom(...'{}[]",:\\u0-.eE\n\r '.split(''));

const damages: fc.Arbitrary<Damage> = fc.oneof(
  { weight: 1, arbitrary: positions.map(cutEnd) },
  { weight: 1, arbitrary: positions.map(cutStart) },
  { weight: 4, arbitrary: fc.tuple(positions, masks).map(flip) },
  { weight: 4, arbitrary: fc.tuple(positions, insertions).map(insert) },
  { weight: 2, arbitrary: positions.map(dropLine) },
  { weight: 2, arbitrary: positions.map(doubleLine) },
  { weight: 2, arbitrary: fc.tuple(positions, positions).map(swapLines) },
);

/** The bytes cut, flipped, added to, or with lines dropped, doubled or swapped, once or a few times. */
export function damaged(whole: fc.Arbitrary<Buffer>): fc.Arbitrary<Buffer> {
  return fc
    .tuple(whole, fc.array(damages, { minLength: 1, maxLength: 3 }))
    .map(([bytes, changes]) => changes.reduce((changed, change) => change(changed), bytes));
}
