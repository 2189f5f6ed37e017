/** Loads and lists on real servers. Goal: an ordered load sees every save before it; a committed one waits for nobody. */
import { beforeAll, describe, expect, it } from 'vitest';
import { eventually, within } from '../support/eventually.ts';
import { Letters } from '../support/letters.ts';
import { openScratch } from '../support/scratch.ts';
import {
  idsOfPartition,
  lines,
  load,
  type Reply,
  remove,
  save,
  TestPublisher,
} from '../support/test-publisher.ts';
import { startWorker, type TestWorker } from '../support/test-worker.ts';

const scratch = await openScratch();
let worker: TestWorker;
let publisher: TestPublisher;
let letters: Letters;

beforeAll(async () => {
  worker = await startWorker(scratch);
  publisher = await TestPublisher.open(scratch);
  letters = await Letters.open(scratch);
});

const committed = (frame: string): Promise<Reply> => publisher.request(frame, { loads: true });
const list = (fields: object): string => lines({ list: fields });
const PAST = 1;
const FUTURE = Number.MAX_SAFE_INTEGER;

describe('an ordered load', () => {
  it('sees every save and delete published before it, under load', async () => {
    const ids = [0, 1, 2, 3].flatMap((partition) => idsOfPartition(partition, 5, 'ordered'));
    const asked: { floor: number; reply: Promise<Reply> }[] = [];
    const sent: Promise<void>[] = [];
    for (let version = 1; version <= 60; version += 1) {
      for (const id of ids) {
        const write =
          version % 10 === 0 ? remove({ id, version }) : save({ id, version }, `{"v":${version}}`);
        sent.push(publisher.send(write));
        if (version % 3 === 0) asked.push({ floor: version, reply: publisher.request(load({ id })) });
      }
    }
    await Promise.all(sent);
    for (const { floor, reply } of asked) {
      const [line, document] = (await reply).lines;
      expect(line?.['version']).toBeGreaterThanOrEqual(floor);
      if (line?.outcome === 'found') expect(document).toEqual({ v: line['version'] });
      else expect(Number(line?.['version']) % 10).toBe(0);
    }
  });

  it('tells what is not there from what is, and repeats what it is asked twice', async () => {
    const [id = '', other = ''] = idsOfPartition(0, 2, 'told');
    await publisher.request(save({ id, version: 4, epoch: 2 }, '{"a": "b"}'));
    const { text } = await publisher.request(
      load({ id }) + load({ id: other }) + load({ id, document: false }) + load({ id }),
    );
    const found = `{"id":"${id}","outcome":"found","type":"T","version":4,"epoch":2,"nextRcseq":0}\n`;
    expect(text).toBe(
      `${found}{"a": "b"}\n{"id":"${other}","outcome":"absent","version":0,"epoch":0}\n${found}${found}{"a": "b"}\n`,
    );
  });

  it('past its deadline is answered EXPIRED, without a letter, and claims nothing', async () => {
    const [id = ''] = idsOfPartition(1, 1, 'expired');
    const claim = '0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b';
    const { lines: answers } = await publisher.request(
      load({ id, deadline: PAST }) + load({ id, claim, deadline: PAST }) + load({ id, deadline: FUTURE }),
    );
    expect(answers).toMatchObject([
      { id, outcome: 'rejected', code: 'EXPIRED' },
      { id, outcome: 'rejected', code: 'EXPIRED' },
      { id, outcome: 'absent', epoch: 0 },
    ]);
    expect(letters.all).toEqual([]);
  });

  it('returns the bytes that PostgreSQL renders, for documents that JSON.parse would damage', async () => {
    const [id = ''] = idsOfPartition(1, 1, 'exact');
    await publisher.request(save({ id, version: 1 }, '{"n":9007199254740993,"d":1.10,"e":1e3}'));
    const { text } = await publisher.request(load({ id }));
    expect(text.split('\n')[1]).toBe('{"d": 1.10, "e": 1000, "n": 9007199254740993}');
  });
});

describe('a committed load', () => {
  it('is answered from what is committed, though the object cannot be written at present', async () => {
    const [id = ''] = idsOfPartition(2, 1, 'held');
    await publisher.request(save({ id, version: 1 }));
    const holder = await scratch.connect();
    await holder.query('BEGIN');
    await holder.query('SELECT pg_advisory_xact_lock(1752132708, slot) FROM generate_series(0, 63) AS slot');
    const saving = publisher.request(save({ id, version: 2 }));
    const ordered = publisher.request(load({ id }));
    const [line] = (await committed(load({ id }))).lines;
    expect(line).toMatchObject({ outcome: 'found', version: 1 });
    await holder.query('COMMIT');
    expect((await saving).lines[0]).toMatchObject({ outcome: 'applied', version: 2 });
    expect((await ordered).lines[0]).toMatchObject({ outcome: 'found', version: 2 });
  });

  it('takes ids of all partitions in one frame, and thousands at once', async () => {
    const ids = [0, 1, 2, 3].flatMap((partition) => idsOfPartition(partition, 5, 'all'));
    await Promise.all(
      ids.map((id, index) => publisher.request(save({ id, version: index + 1 }, `{"n":${index}}`))),
    );
    const replies = await Promise.all(
      Array.from({ length: 100 }, () => committed(ids.map((id) => load({ id })).join(''))),
    );
    for (const { lines: answers } of replies) {
      expect(answers).toEqual(
        ids.flatMap((id, index) => [
          { id, outcome: 'found', type: 'T', version: index + 1, epoch: 0, nextRcseq: 0 },
          { n: index },
        ]),
      );
    }
  });

  it('past its deadline is answered EXPIRED, its neighbours are not', async () => {
    const { lines: answers } = await committed(
      load({ id: 'a', deadline: PAST }) + load({ id: 'b', deadline: FUTURE }),
    );
    expect(answers).toMatchObject([
      { id: 'a', outcome: 'rejected', code: 'EXPIRED' },
      { id: 'b', outcome: 'absent' },
    ]);
    expect((await committed(list({ type: 'T', deadline: PAST }))).lines).toMatchObject([{ code: 'EXPIRED' }]);
  });

  it.each([
    ['a save', save({ id: 'misplaced', version: 1 })],
    ['a delete', remove({ id: 'misplaced', version: 1 })],
    ['a claim', load({ id: 'misplaced', claim: '0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b' })],
  ])(
    'is all that may stand there: %s is rejected with a letter, its neighbours are answered',
    async (_name, command) => {
      const messageId = `misplaced ${_name}`;
      const { lines: answers } = await publisher.request(load({ id: 'x' }) + command + load({ id: 'y' }), {
        loads: true,
        messageId,
      });
      expect(answers).toMatchObject([
        { id: 'x', outcome: 'absent' },
        { id: 'misplaced', outcome: 'rejected', code: 'INVALID_COMMAND' },
        { id: 'y', outcome: 'absent' },
      ]);
      const [letter] = await letters.of(messageId);
      expect(letter?.body).toBe(command);
      expect(letter?.headers['holdfast-partition']).toBeUndefined();
    },
  );
});

describe('a list', () => {
  const ids = Array.from({ length: 25 }, (_, n) => `member-${String.fromCodePoint(0x1f600 + n)}-${n}`);
  const byBytes = ids.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));

  beforeAll(async () => {
    await Promise.all(
      ids.map((id) => publisher.request(save({ id, type: 'Member', version: 1 }, `{"id":"${id}"}`))),
    );
    await publisher.request(remove({ id: ids[3] ?? '', version: 2 }));
    await publisher.request(save({ id: ids[3] ?? '', type: 'Member', version: 3 }, '{}'));
    await publisher.request(save({ id: 'guest', type: 'Guest', version: 1 }));
  });

  it('is read page by page in the order of bytes; a page that is not full is the last', async () => {
    const seen: (string | undefined)[] = [];
    let after: string | undefined;
    for (;;) {
      const { lines: page } = await committed(list({ type: 'Member', limit: 10, ...(after && { after }) }));
      seen.push(...page.map(({ id }) => id));
      if (page.length < 10) break;
      after = page.at(-1)?.id;
    }
    expect(seen).toEqual(byBytes);
  });

  it('brings the documents if it is asked to', async () => {
    const { lines: found } = await committed(list({ type: 'Guest', documents: true }));
    expect(found).toEqual([
      { id: 'guest', outcome: 'found', type: 'Guest', version: 1, epoch: 0, nextRcseq: 0 },
      {},
    ]);
    expect((await committed(list({ type: 'Guest' }))).lines).toHaveLength(1);
  });

  it('of nothing is one empty part', async () => {
    const { text, parts } = await committed(list({ type: 'Nobody' }));
    expect([text, parts.length]).toEqual(['', 1]);
    expect((await committed(list({ type: 'Member', after: byBytes.at(-1) }))).text).toBe('');
  });

  it('of nothing is answered also where only failures and loads are to be', async () => {
    const reply = publisher.request(list({ type: 'Nobody' }), {
      loads: true,
      headers: { 'holdfast-reply': 'failures' },
    });
    expect((await within(2_000, 'the reply', reply)).text).toBe('');
  });

  it('gives 100 where no limit is given, and refuses more than 10,000', async () => {
    const many = idsOfPartition(3, 101, 'crowd');
    await publisher.request(many.map((id) => save({ id, type: 'Crowd', version: 1 })).join(''));
    expect((await committed(list({ type: 'Crowd' }))).lines).toHaveLength(100);
    expect((await committed(list({ type: 'Crowd', limit: 10_000 }))).lines).toHaveLength(101);
    expect((await committed(list({ type: 'Crowd', limit: 10_001 }))).lines).toMatchObject([
      { outcome: 'rejected', code: 'INVALID_COMMAND' },
    ]);
  });

  it.each([
    ['not alone in its frame', true],
    ["in a partition's frame", false],
  ])('%s is a malformed frame', async (_name, loads) => {
    const frame = loads ? list({ type: 'T' }) + load({ id: 'a' }) : list({ type: 'T' });
    const { lines: answers } = await publisher.request(frame, loads ? { loads } : { partition: 0 });
    expect(answers).toMatchObject([{ outcome: 'rejected', code: 'MALFORMED_FRAME' }]);
    expect(answers).toHaveLength(1);
  });
});

describe('nobody who asks', () => {
  it('is no harm: the load is settled and counted', async () => {
    const before = (await worker.outcomes())['absent'] ?? 0;
    await publisher.send(load({ id: 'unasked' }));
    await publisher.send(load({ id: 'unasked' }), { loads: true });
    await eventually(async () => (await worker.outcomes())['absent'] === before + 2);
  });
});
