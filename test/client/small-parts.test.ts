/** The parts of the client that stand alone. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { deleteLine, listLine, loadLine, saveLine } from '../../src/client/action-line.ts';
import { callForMany } from '../../src/client/call.ts';
import { readClientOptions } from '../../src/client/client-options.ts';
import { correlationId, readCorrelationId } from '../../src/client/correlation.ts';
import { Fifo } from '../../src/client/fifo.ts';
import { HighestVersions } from '../../src/client/highest-versions.ts';
import { IssuedVersions } from '../../src/client/issued-versions.ts';
import { detachLines, joinLines, LineBuffer } from '../../src/client/line-buffer.ts';
import { ReplyAssembly } from '../../src/client/reply-assembly.ts';
import { encodeCommand } from '../../src/contract/frame.ts';
import { identifiers, maybe, naturals, positives } from '../contract/arbitraries.ts';

function encoded(command: Parameters<typeof encodeCommand>[0]): string {
  return encodeCommand(command).toString();
}

function parsed(line: string): unknown {
  expect(line.indexOf('\n')).toBe(line.length - 1);
  return JSON.parse(line);
}

describe('an action line', () => {
  const common = { id: identifiers, version: positives, epoch: naturals, ifVersion: maybe(naturals) };

  test('of a save or a delete is what the contract writes', () => {
    fc.assert(
      fc.property(
        fc.record({ ...common, type: identifiers, nextRcseq: maybe(naturals) }),
        ({ type, nextRcseq, ...fields }) => {
          const save = { ...fields, type, nextRcseq };
          expect(parsed(saveLine(save))).toStrictEqual(parsed(encoded({ action: 'save', ...save })));
          expect(parsed(deleteLine(fields))).toStrictEqual(parsed(encoded({ action: 'delete', ...fields })));
        },
      ),
    );
  });

  test('of a load or a list is what the contract writes', () => {
    fc.assert(
      fc.property(
        fc.record({ id: identifiers, document: fc.boolean(), deadline: naturals }),
        maybe(fc.record({ claim: fc.uuid(), epoch: naturals })),
        fc.record({
          type: identifiers,
          after: maybe(identifiers),
          limit: fc.integer({ min: 1, max: 10_000 }),
          documents: fc.boolean(),
          deadline: naturals,
        }),
        (fields, claim, list) => {
          const load = { ...fields, claim: claim?.claim, epoch: claim?.epoch ?? 0 };
          expect(parsed(loadLine(load))).toStrictEqual(parsed(encoded({ action: 'load', ...load })));
          expect(parsed(listLine(list))).toStrictEqual(parsed(encoded({ action: 'list', ...list })));
        },
      ),
    );
  });
});

describe('the versions that were issued', () => {
  test('are known while a write of the object is awaited, and then forgotten', () => {
    const issued = new IssuedVersions();
    issued.note('a', 1, false);
    expect(issued.size).toBe(0);
    issued.note('a', 2, true);
    issued.note('a', 3, false);
    issued.note('a', 4, true);
    expect([1, 2, 3, 4, 5].map((version) => issued.has('a', version))).toStrictEqual([
      false,
      true,
      true,
      true,
      false,
    ]);
    issued.forget('a');
    expect(issued.has('a', 3)).toBe(true);
    issued.forget('a');
    expect(issued.size).toBe(0);
    issued.forget('a');
    expect(issued.has('a', 3)).toBe(false);
  });

  test('are still known after a write of unknown fate, which may be repeated', () => {
    const issued = new IssuedVersions();
    issued.note('a', 10, true);
    issued.forget('a', true);
    issued.note('a', 20, false);
    issued.note('a', 30, true);
    issued.forget('a');
    issued.note('a', 10, true);
    expect([10, 20, 25, 30].map((version) => issued.has('a', version))).toStrictEqual([
      true,
      true,
      false,
      true,
    ]);
    // In bounded memory.
    for (let n = 0; n < 5_000; n += 1) {
      issued.note(`o${n}`, 1, true);
      issued.forget(`o${n}`, true);
    }
    expect(issued.size).toBeLessThan(1_100);
    issued.forget('a');
  });

  test('are bounded: very many of one object become a range', () => {
    const issued = new IssuedVersions();
    issued.note('a', 10, true);
    for (let version = 20; version < 200_000; version += 10) issued.note('a', version, false);
    expect([9, 10, 5_000, 199_990].map((version) => issued.has('a', version))).toStrictEqual([
      false,
      true,
      true,
      true,
    ]);
    expect(issued.has('a', 199_995)).toBe(false);
    expect(issued.has('a', 300_000)).toBe(false);
  });
});

describe('the highest versions', () => {
  test('never take a version that was issued for a foreign one, however much was forgotten', () => {
    const writes = fc.array(fc.record({ id: fc.constantFrom('a', 'b', 'c', 'd'), version: fc.nat(30) }));
    fc.assert(
      fc.property(writes, fc.integer({ min: 1, max: 4 }), (all, objectsMax) => {
        const highest = new HighestVersions(objectsMax);
        for (const [count, { id, version }] of all.entries()) {
          highest.note(id, version);
          for (const earlier of all.slice(0, count + 1)) {
            expect(highest.isForeign(earlier.id, earlier.version)).toBe(false);
          }
        }
      }),
    );
  });

  test('know a newer version of somebody else, while the object was written lately and afterwards', () => {
    const highest = new HighestVersions(2);
    expect(highest.isForeign('a', 1)).toBe(true);
    highest.note('a', 10);
    expect([highest.isForeign('a', 10), highest.isForeign('a', 11)]).toStrictEqual([false, true]);
    for (let version = 11; version < 30; version += 1) highest.note(`${version}`, version);
    expect([highest.isForeign('a', 20), highest.isForeign('a', 100)]).toStrictEqual([false, true]);
  });

  test('are not hidden by a wild one that was forgotten, nor kept of an object that was released', () => {
    const now = 1_000_000;
    const highest = new HighestVersions(2, () => now);
    highest.note('wild', Number.MAX_SAFE_INTEGER);
    for (let version = 1; version < 10; version += 1) highest.note(`${version}`, version);
    highest.note('a', now + 10);
    expect([highest.isForeign('a', now + 10), highest.isForeign('a', now + 11)]).toStrictEqual([false, true]);
    expect([highest.isHighest('a', now + 10), highest.isHighest('a', now + 9)]).toStrictEqual([true, false]);
    highest.forget('a');
    expect([highest.isForeign('a', now + 10), highest.isHighest('a', now + 10)]).toStrictEqual([true, false]);
  });
});

describe('a line buffer', () => {
  test('gives back what was written, in one piece, whatever was taken back or moved in between', () => {
    const texts = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 40 }),
      fc.constantFrom('😀'.repeat(50_000), 'x'.repeat(70_000)),
    );
    const entry = fc.record({
      line: texts,
      document: maybe(texts),
      isUndone: fc.boolean(),
      isMoved: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 40 }), (entries) => {
        const buffer = new LineBuffer();
        const kept = entries.flatMap(({ line, document, isUndone, isMoved }) => {
          const lines = { ...buffer.write(line, document) };
          if (isUndone) buffer.undo(lines);
          else if (isMoved) detachLines([lines]);
          return isUndone ? [] : [{ lines, line, document }];
        });
        const expected = kept.map(
          ({ line, document }) => line + (document === undefined ? '' : `${document}\n`),
        );
        expect(joinLines(kept.map(({ lines }) => lines)).equals(Buffer.from(expected.join('')))).toBe(true);
      }),
      { numRuns: 200 },
    );
  });
});

const isEven = (n: number): boolean => n % 2 === 0;

describe('a queue', () => {
  test('is first in, first out, whatever is taken out of its middle', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -2, max: 5_000 }), { maxLength: 300 }), (steps) => {
        const queue = new Fifo<number>();
        let model: number[] = [];
        for (const step of steps) {
          if (step === -2) {
            expect(queue.take(isEven)).toStrictEqual(model.filter(isEven));
            model = model.filter((n) => !isEven(n));
          } else if (step === -1) {
            expect(queue.peek()).toBe(model[0]);
            expect(queue.shift()).toBe(model.shift());
          } else {
            for (let n = 0; n < step; n += 7) {
              queue.push(n);
              model.push(n);
            }
          }
          expect(queue.size).toBe(model.length);
        }
      }),
      { numRuns: 30 },
    );
  });
});

const part = (n: number, last: boolean) => ({ 'holdfast-part': n, 'holdfast-last': last });
const bytes = (text: string) => Buffer.from(text);

describe('a reply in parts', () => {
  test('is put together in order, beside others, and holds nothing afterwards', () => {
    const assembly = new ReplyAssembly(100);
    expect(assembly.add('a', bytes('one '), part(0, false))).toBe('partial');
    expect(assembly.add('b', bytes('whole'), part(0, true))).toStrictEqual(bytes('whole'));
    expect(assembly.add('b', bytes('x'), part(0, false))).toBe('partial');
    expect(assembly.add('a', bytes('two '), part(1, false))).toBe('partial');
    expect(assembly.bytes).toBe(9);
    expect(assembly.add('a', bytes('three'), part(2, true))).toStrictEqual(bytes('one two three'));
    assembly.clear();
    expect(assembly.bytes).toBe(0);
  });

  test('may lack the headers if it is the only one', () => {
    expect(new ReplyAssembly(1).add('a', bytes('whole'), {})).toStrictEqual(bytes('whole'));
  });

  test('begins anew with its first part, and is broken if one is missing', () => {
    const assembly = new ReplyAssembly(100);
    assembly.add('a', bytes('old '), part(0, false));
    expect(assembly.add('a', bytes('new '), part(0, false))).toBe('partial');
    expect(assembly.add('a', bytes('end'), part(1, true))).toStrictEqual(bytes('new end'));
    assembly.add('a', bytes('one'), part(0, false));
    expect(assembly.add('a', bytes('three'), part(2, true))).toBe('broken');
    expect(assembly.add('b', bytes('two'), part(1, true))).toBe('broken');
    expect(assembly.bytes).toBe(0);
  });

  test('is bounded together with the others', () => {
    const assembly = new ReplyAssembly(10);
    assembly.add('a', bytes('12345'), part(0, false));
    assembly.add('b', bytes('1234'), part(0, false));
    expect(assembly.add('a', bytes('67'), part(1, true))).toBe('too large');
    expect(assembly.retain((key) => key !== 'b')).toBe(true);
    expect(assembly.retain((key) => key !== 'b')).toBe(false);
    expect(assembly.add('a', bytes('67'), part(1, true))).toStrictEqual(bytes('1234567'));
  });
});

test('a correlation id says what must be known of its frame', () => {
  for (const mode of ['failures', 'answers'] as const) {
    const correlation = { mode, attempt: 12, messageId: '0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b' };
    expect(readCorrelationId(correlationId(correlation))).toStrictEqual(correlation);
  }
  for (const other of [undefined, 7, '', 'x1:a', 'f:a', 'a1:', '0190a1b2']) {
    expect(readCorrelationId(other)).toBeUndefined();
  }
});

test('a call of many settles once, after the last of its commands', async () => {
  const told: string[] = [];
  const reason = new Error('no longer');
  const call = callForMany(3, (each) => {
    each.succeed(2, { objects: [], more: false });
    each.fail(0, reason);
    told.push('two of three');
    each.succeed(1, { objects: [], more: true });
  });
  await expect(call).rejects.toBe(reason);
  expect(told).toStrictEqual(['two of three']);
});

test('the options have the defaults that their documentation says, and hold their relations', () => {
  const given = { url: 'amqp://127.0.0.1', node: 'n' };
  expect(readClientOptions(given)).toStrictEqual({
    ...given,
    prefix: 'holdfast',
    partitions: 16,
    waitForBroker: false,
    onFull: 'wait',
    heartbeatMs: 10_000,
    connectTimeoutMs: 10_000,
    confirmTimeoutMs: 60_000,
    loadTimeoutMs: 30_000,
    persistTimeoutMs: 60_000,
    types: new Map(),
    drainTimeoutMs: 10_000,
    retryDelayMsMin: 100,
    retryDelayMsMax: 5_000,
    framesInFlightMax: 2,
    frameBytesMax: 131_072,
    frameCommandsMax: 1_000,
    bufferItemsMax: 65_536,
    bufferBytesMax: 67_108_864,
    awaitingItemsMax: 65_536,
    awaitingBytesMax: 67_108_864,
    documentBytesMax: 1_048_576,
    replyBytesMax: 134_217_728,
    claimsMax: 1_000_000,
  });
  const wrong: [object, string][] = [
    [{ node: 'ä'.repeat(101) }, 'node: must have 1 to 200 bytes'],
    [{ prefix: 'no blanks' }, 'prefix: is not a prefix'],
    [{ retryDelayMsMin: 10, retryDelayMsMax: 9 }, 'retryDelayMsMax: must be at least retryDelayMsMin'],
    [{ bufferBytesMax: 1_000 }, 'bufferBytesMax: must be at least documentBytesMax'],
    [{ replyBytesMax: 1_000 }, 'replyBytesMax: must be at least documentBytesMax'],
    [{ framesInFlight: 2 }, 'framesInFlight'],
  ];
  for (const [options, message] of wrong) {
    expect(() => readClientOptions({ ...given, ...options })).toThrow(message);
  }
});
