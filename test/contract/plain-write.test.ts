/** The quick reading of plain writes says what the careful one says, or nothing. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readActionLine } from '../../src/contract/command.ts';
import { ContractError } from '../../src/contract/errors.ts';
import { encodeCommand } from '../../src/contract/frame.ts';
import { readPlainWrite } from '../../src/contract/plain-write.ts';
import { identifiers, maybe, naturals, positives } from './arbitraries.ts';

const read = (line: string) => {
  // Within other bytes, as in a frame.
  const bytes = Buffer.from(`}}${line}\n{"save":{`);
  return readPlainWrite(bytes, 2, 2 + Buffer.byteLength(line));
};

const readWithCare = (line: string) => {
  try {
    const result = readActionLine(line);
    return result.valid ? result.command : undefined;
  } catch (error) {
    if (error instanceof ContractError) return undefined;
    throw error;
  }
};

const writes = fc.record({
  action: fc.constantFrom('save' as const, 'delete' as const),
  id: identifiers,
  type: identifiers,
  version: positives,
  epoch: maybe(naturals),
  ifVersion: maybe(naturals),
  nextRcseq: maybe(naturals),
});

/** Lines that are nearly plain: fields in any order, repeated, unknown, with odd values, and damaged. */
const field = fc.oneof(
  identifiers.map((id) => `"id":${JSON.stringify(id)}`),
  identifiers.map((type) => `"type":${JSON.stringify(type)}`),
  fc
    .tuple(
      fc.constantFrom('version', 'epoch', 'ifVersion', 'nextRcseq', 'x-own', 'vers'),
      fc.oneof(
        naturals.map(String),
        fc.constantFrom(
          '0',
          '-1',
          '01',
          '1.0',
          '1e3',
          '9007199254740992',
          '9007199254740991',
          '99999999999999999999',
          '"1"',
          'null',
          '',
        ),
      ),
    )
    .map(([name, value]) => `"${name}":${value}`),
  fc.constantFrom('"id":"\\u0061"', '"id":""', ' "id":"a"', '"id" :"a"', '"id":"a" ', '"id":"\u0000"'),
);
const nearlyPlain = fc
  .tuple(
    fc.constantFrom('save', 'delete', 'load', 'Save'),
    fc.array(field, { maxLength: 7 }),
    fc.constantFrom('}}', '}', '}}}', '}} ', ',}}'),
  )
  .map(([action, fields, tail]) => `{"${action}":{${fields.join(',')}${tail}`);

describe('a plain write', () => {
  it('is read as the careful reading reads it, or not at all', () => {
    fc.assert(
      fc.property(fc.oneof(nearlyPlain, writes.map(lineOf)), (line) => {
        const plain = read(line);
        if (plain !== undefined) expect(plain).toStrictEqual(readWithCare(line));
      }),
      { numRuns: 20_000 },
    );
  });

  it('as clients write it is always read', () => {
    const ascii = fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 255 });
    const simple = ascii.map((text) => text.replaceAll(/["\\]/g, '_'));
    fc.assert(
      fc.property(writes, simple, simple, (write, id, type) => {
        expect(read(lineOf({ ...write, id, type }))).toBeDefined();
      }),
    );
    expect(read('{"save":{"id":"größe","type":"😀","version":1}}')).toMatchObject({
      id: 'größe',
      type: '😀',
    });
  });

  it('is left to the careful reading beyond 255 bytes of id, which may still be 255 characters', () => {
    expect(read(`{"save":{"id":"${'x'.repeat(255)}","type":"t","version":1}}`)).toBeDefined();
    expect(read(`{"save":{"id":"${'é'.repeat(128)}","type":"t","version":1}}`)).toBeUndefined();
  });

  it('gives each of several writes its own type, whatever the one before had', () => {
    const types = ['Room', 'Room', 'Room2', 'Room', 'Roo', 'R', 'Röom', 'Röom', 'Room', '日本', '日本', 'Ro'];
    const readType = (type: string) =>
      read(encodeCommand({ action: 'save', id: 'a', type, version: 1 }).toString().trimEnd());
    expect(types.map(readType)).toEqual(types.map((type) => expect.objectContaining({ type })));
    // Cut off where the type before would still fit.
    expect(read('{"save":{"id":"a","type":"Room')).toBeUndefined();
    expect(read('{"save":{"id":"a","type":"Room"')).toBeUndefined();
  });
});

function lineOf({
  action,
  id,
  type,
  version,
  epoch,
  ifVersion,
  nextRcseq,
}: typeof writes extends fc.Arbitrary<infer T> ? T : never): string {
  const command =
    action === 'save'
      ? ({ action, id, type, version, epoch: epoch ?? 0, ifVersion, nextRcseq } as const)
      : ({ action, id, version, epoch: epoch ?? 0, ifVersion } as const);
  return encodeCommand(command).toString().trimEnd();
}
