/**
 * Goal: whatever bytes arrive, a worker gets entries that cover them exactly, or a `ContractError`. Method: valid frames
 * of random commands, whole and damaged (cut, flipped, lines dropped, doubled, swapped), and noise.
 */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ContractError } from '../../src/contract/errors.ts';
import { type Entry, encodeCommand, type FramePlace } from '../../src/contract/frame.ts';
import { damaged, lists, partitionLines, plainLoads } from './arbitraries.ts';
import { decode, documentOf, frame, LOAD, outcomes, SAVE } from './frames.ts';

type Read = { entries: Entry[] } | { code: string };

/** Entries or the code of a `ContractError`; whatever else is thrown fails the test. */
function read(body: Buffer, place: FramePlace): Read {
  try {
    return { entries: decode(body, { place }) };
  } catch (error) {
    if (!(error instanceof ContractError)) throw error;
    return { code: error.code };
  }
}

/** The entries cover the frame without gap or overlap, and each document lies in its entry, on one line. */
function expectTiled(entries: readonly Entry[], body: Buffer): void {
  let at = 0;
  for (const { start, end, documentStart, documentEnd, command, rejected } of entries) {
    expect(start).toBe(at);
    expect(end).toBeGreaterThan(start);
    expect(documentStart).toBeGreaterThan(start);
    expect(documentEnd).toBeGreaterThanOrEqual(documentStart);
    expect(body.subarray(documentStart, documentEnd).includes('\n')).toBe(false);
    const action = (command ?? rejected)?.action;
    // What follows the document is one newline or the end of the frame.
    const rest = body.toString('utf8', documentEnd, end);
    expect(action === 'save' ? ['\n', ''] : ['']).toContain(rest);
    if (action !== 'save') expect([documentStart, documentEnd]).toStrictEqual([end, end]);
    at = end;
  }
  expect(at).toBe(body.length);
}

const places = fc.constantFrom<FramePlace>('partition', 'loads');
const encoded = partitionLines.map(({ command, document }) => encodeCommand(command, document));
const validFrames = fc.array(encoded, { minLength: 1, maxLength: 6 }).map((lines) => Buffer.concat(lines));
const hostileFrames = fc
  .array(
    fc.oneof(
      { weight: 4, arbitrary: encoded },
      { weight: 1, arbitrary: lists.map((list) => encodeCommand(list)) },
      {
        weight: 1,
        arbitrary: fc.constantFrom(
          SAVE,
          LOAD,
          '{"save":{}}',
          '{"load":{"id":"\\ud800"}}',
          '{"a":"\\u0000"}',
          '[]',
          '',
        ),
      },
    ),
    { maxLength: 6 },
  )
  .map((lines) => Buffer.concat(lines.map((line) => (typeof line === 'string' ? frame(line) : line))));

describe('any bytes', () => {
  const bytes = fc.oneof(
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 100 }).map((array) => Buffer.from(array)) },
    { weight: 1, arbitrary: hostileFrames },
    { weight: 6, arbitrary: damaged(fc.oneof(validFrames, hostileFrames)) },
  );

  test('give entries that tile the frame, or a ContractError, and nothing else is thrown', () => {
    fc.assert(
      fc.property(bytes, places, (body, place) => {
        const result = read(body, place);
        if ('entries' in result) {
          expect(result.entries.length).toBeGreaterThan(0);
          expectTiled(result.entries, body);
        } else expect(['MALFORMED_FRAME', 'TOO_LARGE']).toContain(result.code);
      }),
      { numRuns: 5_000 },
    );
  });

  test('of one entry, sent again as a frame of their own, mean the same', () => {
    fc.assert(
      fc.property(bytes, places, (body, place) => {
        const result = read(body, place);
        for (const entry of 'entries' in result ? result.entries : []) {
          const own = body.subarray(entry.start, entry.end);
          const [again] = decode(own, { place });
          expect(outcomes(again ? [again] : [])).toStrictEqual(outcomes([entry]));
          expect(again?.command).toStrictEqual(entry.command);
          expect(documentOf(own, again)).toBe(documentOf(body, entry));
        }
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('a frame of valid commands', () => {
  const commandLists = fc.array(partitionLines, { minLength: 1, maxLength: 8 });

  test('reads back as it was encoded, documents byte for byte', () => {
    fc.assert(
      fc.property(commandLists, fc.boolean(), fc.boolean(), (lines, asBytes, finalNewline) => {
        const parts = lines.map(({ command, document }) =>
          encodeCommand(command, asBytes && document !== undefined ? Buffer.from(document) : document),
        );
        const whole = Buffer.concat(parts);
        const body = finalNewline ? whole : whole.subarray(0, -1);
        const entries = decode(body);
        expectTiled(entries, body);
        expect(entries.map(({ command }) => command)).toStrictEqual(lines.map(({ command }) => command));
        expect(entries.map((entry) => documentOf(body, entry) || undefined)).toStrictEqual(
          lines.map(({ document }) => document),
        );
      }),
      { numRuns: 1_000 },
    );
  });

  test('reads back from the place of the loads', () => {
    const frames = fc.oneof(
      fc.array(plainLoads, { minLength: 1, maxLength: 8 }),
      lists.map((list) => [list]),
    );
    fc.assert(
      fc.property(frames, (commands) => {
        const body = Buffer.concat(commands.map((command) => encodeCommand(command)));
        expect(decode(body, { place: 'loads' }).map(({ command }) => command)).toStrictEqual(commands);
      }),
      { numRuns: 300 },
    );
  });

  test('keeps all its neighbours when one of them becomes invalid', () => {
    const poison = fc.constantFrom(`${SAVE}\n[]\n`, `${SAVE}\n{"a":1e9999}\n`, '{"delete":{"id":"d"}}\n');
    fc.assert(
      fc.property(commandLists, fc.nat(), poison, (lines, position, bad) => {
        const parts = lines.map(({ command, document }) => encodeCommand(command, document));
        const index = position % (parts.length + 1);
        const entries = decode(Buffer.concat(parts.toSpliced(index, 0, Buffer.from(bad))));
        expect(entries[index]?.rejected).toBeDefined();
        expect(entries.toSpliced(index, 1).map(({ command }) => command)).toStrictEqual(
          lines.map(({ command }) => command),
        );
      }),
      { numRuns: 300 },
    );
  });

  test('is written without the fields that have their default', () => {
    const load = {
      action: 'load',
      id: 'a',
      claim: undefined,
      epoch: 0,
      document: true,
      deadline: undefined,
    } as const;
    expect(String(encodeCommand(load))).toBe('{"load":{"id":"a"}}\n');
    expect(String(encodeCommand({ ...load, document: false }))).toBe(
      '{"load":{"id":"a","document":false}}\n',
    );
    const save = { action: 'save', id: 'a', type: 'T', version: 1, epoch: 0, ifVersion: 0 } as const;
    expect(String(encodeCommand(save, '{}'))).toBe(
      '{"save":{"id":"a","type":"T","version":1,"ifVersion":0}}\n{}\n',
    );
    const list = { action: 'list', type: 'T', documents: false } as const;
    expect(String(encodeCommand(list))).toBe('{"list":{"type":"T"}}\n');
  });

  test('keeps a document as it came: 64-bit integers, duplicate keys, escapes, whitespace, CR, __proto__', () => {
    const document =
      ' {"n":9223372036854775807,"n":1.0,\t"\\u0061":"\\ud83d\\ude00\\/","__proto__":{"a":1},"😀":-0}\r';
    const id = '😀'.repeat(255);
    const body = encodeCommand({ action: 'save', id, type: '__proto__', version: 1 }, document);
    const entries = decode(body);
    expect(entries[0]?.command).toMatchObject({ id, type: '__proto__', version: 1 });
    expect(documentOf(body, entries[0])).toBe(document);
  });
});
