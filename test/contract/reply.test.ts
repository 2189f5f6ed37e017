import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { REJECT_CODES } from '../../src/contract/errors.ts';
import {
  decodeReply,
  encodeReply,
  isFailure,
  OUTCOMES,
  type ReplyItem,
  type ReplyLine,
} from '../../src/contract/reply.ts';
import { documents, identifiers, maybe, naturals } from './arbitraries.ts';

const PART_BYTES = 4 * 1_048_576;

/** A copy without members that are undefined: what is sent is what is given. */
function given<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as T;
}

const lines: fc.Arbitrary<ReplyLine> = fc
  .record({
    id: maybe(identifiers),
    outcome: fc.constantFrom(...OUTCOMES),
    type: maybe(identifiers),
    version: maybe(naturals),
    epoch: maybe(naturals),
    nextRcseq: maybe(naturals),
    code: maybe(fc.constantFrom(...REJECT_CODES)),
    message: maybe(fc.string({ unit: 'binary' })),
    redelivered: maybe(fc.boolean()),
  })
  .map((line) => given(line) as ReplyLine);

const items: fc.Arbitrary<ReplyItem> = lines.chain((line) =>
  line.outcome === 'found'
    ? maybe(documents()).map((document) => given({ line, document }))
    : fc.constant({ line }),
);

function decode(body: Buffer, sent: readonly ReplyItem[]): ReplyItem[] {
  return decodeReply(body, (index) => sent[index]?.document !== undefined);
}

/** The reply as it is before any cut. */
function whole(sent: readonly ReplyItem[]): Buffer {
  const text = sent.flatMap(({ line, document }) =>
    document === undefined ? [JSON.stringify(line)] : [JSON.stringify(line), document],
  );
  return Buffer.from(text.map((line) => `${line}\n`).join(''));
}

function newlines(part: Buffer): number {
  return part.reduce((count, byte) => count + (byte === 0x0a ? 1 : 0), 0);
}

describe('a reply', () => {
  test('is one line per command, and the document after a found line', () => {
    const parts = encodeReply([
      { line: { id: 'user-123', outcome: 'applied', version: 7, epoch: 0 } },
      {
        line: { id: 'b', outcome: 'found', type: 'T', version: 1, epoch: 2 },
        document: '{"n": 9007199254740993}',
      },
      { line: { outcome: 'rejected', code: 'MALFORMED_FRAME', message: 'the frame is empty' } },
    ]);
    expect(parts.map(String)).toStrictEqual([
      '{"id":"user-123","outcome":"applied","version":7,"epoch":0}\n' +
        '{"id":"b","outcome":"found","type":"T","version":1,"epoch":2}\n' +
        '{"n": 9007199254740993}\n' +
        '{"outcome":"rejected","code":"MALFORMED_FRAME","message":"the frame is empty"}\n',
    ]);
  });

  test('reads back as it was sent, documents byte for byte', () => {
    fc.assert(
      fc.property(fc.array(items, { maxLength: 12 }), (sent) => {
        const parts = encodeReply(sent);
        expect(parts).toHaveLength(1);
        expect(decode(Buffer.concat(parts), sent)).toStrictEqual(sent);
      }),
      { numRuns: 500 },
    );
  });

  test('of nothing is one empty part, and reads as nothing', () => {
    expect(encodeReply([])).toStrictEqual([Buffer.alloc(0)]);
    expect(decodeReply(Buffer.alloc(0), () => true)).toStrictEqual([]);
  });

  test('may lack its final newline', () => {
    const body = Buffer.from('{"outcome":"absent","id":"a"}\n{"outcome":"found","id":"b"}\n{"x":1}');
    expect(decodeReply(body, () => true)).toStrictEqual([
      { line: { outcome: 'absent', id: 'a' } },
      { line: { outcome: 'found', id: 'b' }, document: '{"x":1}' },
    ]);
  });

  test('may have fields that the reader does not know', () => {
    const body = Buffer.from('{"id":"a","outcome":"applied","version":1,"shard":7,"x-new":{"a":[1]}}\n');
    expect(decodeReply(body, () => true)).toStrictEqual([
      { line: { id: 'a', outcome: 'applied', version: 1 } },
    ]);
  });

  test('has a document only after a found line for which one was asked', () => {
    const body = Buffer.from('{"id":"a","outcome":"found","version":1}\n{"id":"b","outcome":"absent"}\n');
    expect(decodeReply(body, () => false)).toHaveLength(2);
    expect(decodeReply(body, (index) => index === 1)).toHaveLength(2);
  });

  test.each([
    ['is not JSON', 'applied\n'],
    ['has an empty line', '{"outcome":"applied"}\n\n'],
    ['is not an object', '["applied"]\n'],
    ['has no outcome', '{"id":"a"}\n'],
    ['has an unknown outcome', '{"id":"a","outcome":"maybe"}\n'],
    ['has an id that is no text', '{"id":7,"outcome":"applied"}\n'],
    ['has a version that is no number', '{"id":"a","outcome":"applied","version":"7"}\n'],
    ['ends before a document that was asked for', '{"id":"a","outcome":"found"}\n'],
  ])('that %s is an error', (_, body) => {
    expect(() => decodeReply(Buffer.from(body), () => true)).toThrow(Error);
  });

  test('of any bytes is read or is an error', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      fc.string({ unit: 'binary' }).map((text) => Buffer.from(`{"outcome":"found"}\n${text}`)),
    );
    fc.assert(
      fc.property(bytes, fc.boolean(), (body, asked) => {
        try {
          expect(decodeReply(Buffer.from(body), () => asked)).toEqual(expect.any(Array));
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('a long reply', () => {
  test('is cut between lines into parts of at most 4 MiB unless one line is longer', {
    timeout: 60_000,
  }, () => {
    const sizes = fc.oneof(
      fc.integer({ min: 0, max: 1_500_000 }),
      fc.constantFrom(0, 1, PART_BYTES - 9, PART_BYTES - 8, PART_BYTES - 7, PART_BYTES, PART_BYTES + 100),
    );
    const filler = fc.constantFrom('x', '€');
    const found = fc.tuple(sizes, filler, identifiers).map(([size, character, id]): ReplyItem => {
      const text = character.repeat(Math.floor(size / Buffer.byteLength(character)));
      return { line: { id, outcome: 'found', version: 1, epoch: 0 }, document: `{"d":"${text}"}` };
    });
    fc.assert(
      fc.property(fc.array(fc.oneof(found, items), { minLength: 1, maxLength: 10 }), (sent) => {
        const parts = encodeReply(sent);
        const joined = Buffer.concat(parts);
        expect(joined.equals(whole(sent))).toBe(true);
        for (const [index, part] of parts.entries()) {
          expect(part.at(-1)).toBe(0x0a);
          expect(part.length <= PART_BYTES || newlines(part) === 1).toBe(true);
          // No needless cut: the first line of the next part would not have fitted.
          const next = parts[index + 1];
          if (next !== undefined) expect(part.length + next.indexOf('\n') + 1).toBeGreaterThan(PART_BYTES);
        }
        expect(decode(joined, sent)).toStrictEqual(sent);
      }),
      { numRuns: 20 },
    );
  });

  test('of one line above 4 MiB is one part, without an empty one before it', () => {
    const line: ReplyLine = { outcome: 'rejected', message: 'x'.repeat(PART_BYTES) };
    const parts = encodeReply([{ line }, { line: { outcome: 'absent' } }]);
    expect(parts.map(newlines)).toStrictEqual([1, 1]);
  });

  test('is not cut at exactly 4 MiB, and is cut one byte above', () => {
    const line: ReplyLine = { id: 'a', outcome: 'found' };
    const overhead = Buffer.byteLength(JSON.stringify(line)) + 1 + '{"d":""}'.length + 1;
    const filler = 'x'.repeat(PART_BYTES - overhead);
    expect(encodeReply([{ line, document: `{"d":"${filler}"}` }])).toHaveLength(1);
    expect(encodeReply([{ line, document: `{"d":"${filler}x"}` }])).toHaveLength(2);
  });
});

describe('an outcome', () => {
  test('is one of the seven of the contract', () => {
    expect([...OUTCOMES].toSorted()).toStrictEqual([
      'absent',
      'applied',
      'conflict',
      'fenced',
      'found',
      'rejected',
      'superseded',
    ]);
  });

  test('is a failure if fenced, conflict or rejected, which are always answered', () => {
    expect(OUTCOMES.filter(isFailure).toSorted()).toStrictEqual(['conflict', 'fenced', 'rejected']);
  });

  test('rejected has one of the codes of the contract', () => {
    expect([...REJECT_CODES].toSorted().join(' ')).toBe(
      'CONFLICT DELIVERY_LIMIT EXPIRED FENCED INVALID_COMMAND INVALID_DOCUMENT MALFORMED_FRAME SCHEMA_VIOLATION ' +
        'TOO_LARGE UNSTORABLE UNSUPPORTED_VERSION WRONG_PARTITION',
    );
  });
});
