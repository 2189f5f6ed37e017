/** Everything that is rejected, with a good command before and behind it. Goal: one letter each, and nothing else is harmed. */
import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { partitionOf } from '../../src/contract/partition.ts';
import { type Letter, Letters } from '../support/letters.ts';
import { openScratch, PARTITIONS } from '../support/scratch.ts';
import {
  idsOfPartition,
  lines,
  load,
  type ReplyLine,
  remove,
  type SendOptions,
  save,
  TestPublisher,
} from '../support/test-publisher.ts';
import { startWorker, type TestWorker } from '../support/test-worker.ts';

const scratch = await openScratch();
const WORKER = 'rejecting-worker';
const PARTITION = 1;
const [FIRST = '', BAD = '', LAST = ''] = idsOfPartition(PARTITION, 3, 'rejects');
const [ELSEWHERE = ''] = idsOfPartition(2, 1, 'elsewhere');
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

let worker: TestWorker;
let publisher: TestPublisher;
let letters: Letters;

beforeAll(async () => {
  worker = await startWorker(scratch, { workerName: WORKER });
  publisher = await TestPublisher.open(scratch);
  letters = await Letters.open(scratch);
});

interface Rejected {
  readonly messageId: string;
  readonly answers: readonly ReplyLine[];
  readonly letters: readonly Letter[];
}

let version = 0;

async function publish(frame: string | Buffer, options: SendOptions = {}, count = 1): Promise<Rejected> {
  const messageId = randomUUID();
  const { lines: answers } = await publisher.request(frame, { messageId, partition: PARTITION, ...options });
  return { messageId, answers, letters: await letters.of(messageId, count) };
}

/** Publishes a bad command between two good ones, and checks that these were written. */
async function between(bad: string): Promise<Rejected> {
  version += 1;
  const good = (id: string): string => save({ id, version }, `{"v":${version}}`);
  const rejected = await publish(good(FIRST) + bad + good(LAST));
  expect(rejected.answers.map(({ outcome }) => outcome)).toEqual(['applied', 'rejected', 'applied']);
  const { rows } = await scratch.sql.query(
    'SELECT object_id FROM goverse_objects WHERE version = $1 AND object_id = ANY($2)',
    [version, [FIRST, LAST]],
  );
  expect(rows).toHaveLength(2);
  return rejected;
}

const saveOf = (fields: string, document: string): string =>
  lines(`{"save":{"id":"${BAD}","type":"T","version":7${fields}}}`, document);

const deep = (levels: number): string => `{"a":${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}`;

describe('a command that is rejected', () => {
  it.each([
    ['INVALID_COMMAND', 'an unknown field', saveOf(',"ifVersoin":3', '{}')],
    [
      'INVALID_COMMAND',
      'a version beyond 2^53-1',
      lines(`{"delete":{"id":"${BAD}","version":9007199254740992}}`),
    ],
    [
      'INVALID_COMMAND',
      'a version of 2^53',
      lines(`{"save":{"id":"${BAD}","type":"T","version":9007199254740992}}`, '{}'),
    ],
    ['INVALID_COMMAND', 'a version of 0', lines(`{"save":{"id":"${BAD}","type":"T","version":0}}`, '{}')],
    ['INVALID_COMMAND', 'a delete with version 0', lines(`{"delete":{"id":"${BAD}","version":0}}`)],
    ['INVALID_COMMAND', 'an empty id', save({ id: '', version: 7 })],
    ['INVALID_COMMAND', 'an id of 256 characters', save({ id: 'i'.repeat(256), version: 7 })],
    ['INVALID_COMMAND', 'an id of 256 emoji', save({ id: '😀'.repeat(256), version: 7 })],
    ['INVALID_COMMAND', 'a NUL in an id', save({ id: 'a\0b', version: 7 })],
    ['INVALID_COMMAND', 'a lone surrogate in an id', save({ id: 'a\ud800', version: 7 })],
    ['INVALID_COMMAND', 'a NUL in a type', save({ id: BAD, type: '\0', version: 7 })],
    ['INVALID_COMMAND', 'a lone surrogate in a type', save({ id: BAD, type: '\udc00', version: 7 })],
    ['INVALID_COMMAND', 'a field given twice', saveOf(',"version":8', '{}')],
    ['INVALID_COMMAND', 'an epoch on a plain load', load({ id: BAD, epoch: 1 })],
    ['INVALID_COMMAND', 'no fields at all', lines('{"delete":null}')],
    ['INVALID_DOCUMENT', 'no object', saveOf('', '[1]')],
    ['INVALID_DOCUMENT', 'broken JSON', saveOf('', '{"a":}')],
    ['INVALID_DOCUMENT', 'nothing', saveOf('', '')],
    [
      'INVALID_DOCUMENT',
      'the next action line for a document',
      saveOf('', '{"delete":{"id":"x","version":1}}'),
    ],
    ['UNSTORABLE', 'U+0000', saveOf('', String.raw`{"a":"\u0000"}`)],
    ['UNSTORABLE', 'a lone surrogate', saveOf('', String.raw`{"a":"\ud800"}`)],
    ['UNSTORABLE', 'a number beyond numeric', saveOf('', '{"a":1e200000}')],
    ['UNSTORABLE', 'an exponent that would render as megabytes', saveOf('', '{"a":1e-1001}')],
    ['UNSTORABLE', 'a number of 131,073 digits', saveOf('', `{"a":${'9'.repeat(131_073)}}`)],
    ['UNSTORABLE', 'U+0000 in a key', saveOf('', String.raw`{"\u0000":1}`)],
    ['UNSTORABLE', 'too deep nesting', saveOf('', deep(5_001))],
    ['UNSTORABLE', 'nesting of 20,000', saveOf('', deep(20_000))],
    ['INVALID_DOCUMENT', 'a document cut short', saveOf('', '{"a":"b')],
    ['INVALID_DOCUMENT', 'a number that JSON does not know', saveOf('', '{"a":NaN}')],
    ['TOO_LARGE', 'a document above 1 MiB', saveOf('', `{"a":"${'x'.repeat(1_048_576)}"}`)],
    ['TOO_LARGE', 'a frame of 16 MiB', saveOf('', `{"a":"${'x'.repeat(16_777_216 - 100)}"}`)],
    ['WRONG_PARTITION', 'an object of another', remove({ id: ELSEWHERE, version: 1 })],
    ['WRONG_PARTITION', 'a load of another', load({ id: ELSEWHERE })],
  ])('%s (%s) is one letter with its own lines', async (code, _what, bad) => {
    // A frame above 1 MiB may hold one command only.
    const alone = bad.length > 1_000_000;
    const rejected = alone ? await publish(bad) : await between(bad);
    const answer = rejected.answers.find(({ outcome }) => outcome === 'rejected');
    expect(answer).toMatchObject({ outcome: 'rejected', code, message: expect.any(String) });
    expect(rejected.letters).toHaveLength(1);
    const [letter] = rejected.letters;
    expect(letter?.body).toBe(bad);
    expect(letter?.headers['holdfast-code']).toBe(code);
    expect(letter?.headers['holdfast-message']).toBe(answer?.['message']);
    // All of these are found before the batch.
    expect(letter?.headers).toMatchObject({ 'holdfast-attempts': 1 });
    expect(letter?.headers).not.toHaveProperty('holdfast-sqlstate');
  });

  it('names its object where that can be read, in answer and letter', async () => {
    const { answers, letters: made } = await between(saveOf('', '[]'));
    expect(answers[1]).toMatchObject({ id: BAD });
    expect(made[0]?.headers).toMatchObject({
      'holdfast-object-id': BAD,
      'holdfast-object-type': 'T',
      'holdfast-version': 7,
    });
    const unreadable = await between(lines('{"delete":{"id":7,"version":1}}'));
    expect(unreadable.answers[1]).not.toHaveProperty('id');
    expect(unreadable.letters[0]?.headers).not.toHaveProperty('holdfast-object-id');
  });

  it('leaves its object to the commands behind it', async () => {
    const [id = ''] = idsOfPartition(PARTITION, 1, 'fine');
    const { answers } = await publish(
      save({ id, version: 9 }, '[]') + save({ id, version: 1 }, '{"fine":true}'),
    );
    expect(answers.map(({ outcome }) => outcome)).toEqual(['rejected', 'applied']);
  });

  it('is one of many in its frame, each with a letter of its own', async () => {
    const bad = [saveOf('', '[]'), saveOf(',"x":1', '{}'), lines('{"delete":{}}')];
    const { letters: made } = await publish(bad.join(''), {}, 3);
    expect(made.map(({ body }) => body)).toEqual(bad);
    expect(new Set(made.map(({ headers }) => headers['holdfast-letter-id'])).size).toBe(3);
  });
});

describe('a frame that is rejected', () => {
  const good = save({ id: FIRST, version: 500 });
  it.each([
    ['MALFORMED_FRAME', 'not UTF-8', Buffer.concat([Buffer.from(good), Buffer.from([0xff, 0x0a])]), {}],
    ['MALFORMED_FRAME', 'empty', '', {}],
    ['MALFORMED_FRAME', 'an action line that is not JSON', `${good}oops\n`, {}],
    ['MALFORMED_FRAME', 'cut short in an action line', `${good}${good}`.slice(0, -20), {}],
    ['MALFORMED_FRAME', 'an unknown action', `${good}{"upsert":{}}\n`, {}],
    ['MALFORMED_FRAME', 'two actions on a line', `${good}{"load":{},"delete":{}}\n`, {}],
    ['MALFORMED_FRAME', 'a save without its document at the end', `${good}{"save":{}}\n`, {}],
    ['UNSUPPORTED_VERSION', 'no type', good, { type: undefined }],
    ['UNSUPPORTED_VERSION', 'another type', good, { type: 'holdfast.commands.v2' }],
    ['TOO_LARGE', 'more than 1,000 commands', good.repeat(1_001), {}],
    [
      'TOO_LARGE',
      'more than 1 MiB in more than one command',
      save({ id: FIRST, version: 1 }, `{"a":"${'x'.repeat(600_000)}"}`).repeat(2),
      {},
    ],
  ])('%s (%s) is one letter, untouched, and one answer without id', async (code, _what, frame, options) => {
    const { answers, letters: made } = await publish(frame, options as SendOptions);
    expect(answers).toEqual([{ outcome: 'rejected', code, message: expect.any(String) }]);
    expect(made).toHaveLength(1);
    const [letter] = made;
    expect(letter?.message.content.equals(Buffer.from(frame))).toBe(true);
    expect(letter?.headers).toMatchObject({ 'holdfast-code': code });
    expect(letter?.headers).not.toHaveProperty('holdfast-object-id');
    const { rows } = await scratch.sql.query('SELECT FROM goverse_objects WHERE version = 500');
    expect(rows).toEqual([]);
  });
});

describe('what looks bad and is not', () => {
  const [PROTO = '', MANY = '', BARE = ''] = idsOfPartition(PARTITION, 3, 'harmless');
  const emoji = (): string => {
    for (let n = 0; ; n += 1) {
      const id = '😀'.repeat(255 - String(n).length) + n;
      if (partitionOf(id, PARTITIONS) === PARTITION) return id;
    }
  };
  const manyKeys = Object.fromEntries(Array.from({ length: 50_000 }, (_, n) => [`key ${n}`, n]));

  it.each([
    ['the keys of an object prototype', PROTO, '{"__proto__":{"a":1},"constructor":null,"toString":"x"}'],
    ['an id and a type of 255 emoji', emoji(), '{"a":1}'],
    ['very many keys', MANY, JSON.stringify(manyKeys)],
    ['nesting of 5,000', idsOfPartition(PARTITION, 1, 'deep')[0] ?? '', deep(5_000)],
    ['a number of a thousand digits', BARE, `{"a":${'9'.repeat(1_000)}}`],
  ])('%s: stored, and loaded as it is', async (_name, id, document) => {
    const type = id.startsWith('😀') ? id : 'T';
    const { text } = await publisher.request(save({ id, type, version: 1 }, document) + load({ id }));
    const [applied, found, loaded] = text.split('\n');
    expect(JSON.parse(applied ?? '')).toMatchObject({ id, outcome: 'applied' });
    expect(JSON.parse(found ?? '')).toMatchObject({ id, type, outcome: 'found' });
    const { rows } = await scratch.sql.query('SELECT $1::jsonb = $2::jsonb AS equal', [document, loaded]);
    expect(rows).toEqual([{ equal: true }]);
  });

  it('no newline behind the last line', async () => {
    const { answers, letters: made } = await publish(save({ id: BARE, version: 9 }).trimEnd(), {}, 0);
    expect([answers.map(({ outcome }) => outcome), made]).toEqual([['applied'], []]);
  });
});

describe('a letter', () => {
  it('tells all that is known of the command, where it was, and who refused it when', async () => {
    const { messageId, letters: made } = await publish(lines('{"delete":{"id":"x"}}'), {
      appId: 'node-7',
      timestamp: 1_763_894_400,
      headers: { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', other: 'ignored' },
    });
    const { headers, message } = made[0] ?? {};
    expect(headers).toEqual({
      'holdfast-code': 'INVALID_COMMAND',
      'holdfast-message': expect.stringContaining('version'),
      'holdfast-partition': `${PARTITIONS}.${PARTITION}`,
      'holdfast-object-id': 'x',
      'holdfast-worker': WORKER,
      'holdfast-letter-id': expect.stringMatching(UUID),
      'holdfast-failed-at': expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      'holdfast-attempts': 1,
      'holdfast-message-id': messageId,
      'holdfast-node': 'node-7',
      'holdfast-published-at': '2025-11-23T10:40:00.000Z',
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    });
    expect(Math.abs(Date.parse(String(headers?.['holdfast-failed-at'])) - Date.now())).toBeLessThan(60_000);
    expect(message?.properties).toMatchObject({ deliveryMode: 2, contentType: 'application/x-ndjson' });
  });

  it('holds nothing but scalars, and leaves out what is not known', async () => {
    const messageId = randomUUID();
    await publisher.send('nonsense\n', { messageId, partition: PARTITION });
    const [letter] = await letters.of(messageId);
    for (const value of Object.values(letter?.headers ?? {}))
      expect(['string', 'number']).toContain(typeof value);
    for (const name of ['node', 'published-at', 'sqlstate', 'constraint', 'object-id', 'version']) {
      expect(letter?.headers).not.toHaveProperty(`holdfast-${name}`);
    }
  });

  it('survives names and messages of any length', async () => {
    const id = '😀'.repeat(255);
    const { letters: made } = await publish(
      lines(`{"save":{"id":${JSON.stringify(id)},"type":${JSON.stringify(id)},"version":1}}`, '[]'),
      {
        headers: { traceparent: 'x'.repeat(60_000) },
        appId: 'n'.repeat(255),
      },
    );
    expect(made[0]?.headers['holdfast-object-id']).toBe(id);
    expect(String(made[0]?.headers['traceparent']).length).toBeLessThan(3_000);
  });

  it('has the same id whenever the same message comes again, and another for another', async () => {
    const frame = saveOf('', '[]') + saveOf('', '{');
    const messageId = randomUUID();
    await publisher.request(frame, { messageId, partition: PARTITION });
    await publisher.request(frame, { messageId, partition: PARTITION });
    const letterIds = (await letters.of(messageId, 4)).map(({ headers }) => headers['holdfast-letter-id']);
    expect(letterIds.slice(2)).toEqual(letterIds.slice(0, 2));
    expect(new Set(letterIds).size).toBe(2);
    const other = await publish(frame, {}, 2);
    expect(letterIds).not.toContain(other.letters[0]?.headers['holdfast-letter-id']);
  });

  it('of a message without an id still has one, made of its bytes', async () => {
    const seen = letters.all.length;
    const frame = saveOf('', '["without an id"]');
    for (let time = 0; time < 2; time += 1) {
      await publisher.request(frame, { messageId: undefined as unknown as string, partition: PARTITION });
    }
    const made = letters.all.slice(seen);
    expect(made.map(({ headers }) => headers['holdfast-letter-id'])).toEqual([
      expect.stringMatching(UUID),
      made[0]?.headers['holdfast-letter-id'],
    ]);
    expect(made[0]?.headers).not.toHaveProperty('holdfast-message-id');
  });
});

describe('the counts', () => {
  it('have one rejected command for each, and one letter by its code', async () => {
    const before = await worker.outcomes();
    const lettersBefore = await worker.metric('holdfast_dead_letters_total', { code: 'INVALID_DOCUMENT' });
    await between(saveOf('', '[]'));
    const after = await worker.outcomes();
    expect(after['rejected']).toBe((before['rejected'] ?? 0) + 1);
    expect(after['applied']).toBe((before['applied'] ?? 0) + 2);
    expect(await worker.metric('holdfast_dead_letters_total', { code: 'INVALID_DOCUMENT' })).toBe(
      lettersBefore + 1,
    );
    expect(worker.fatal).toEqual([]);
  });
});
