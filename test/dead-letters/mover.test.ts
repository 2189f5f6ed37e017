/** Dead letters on their way from the queue into the table: each once, none lost, whatever they look like. */
import { randomUUID } from 'node:crypto';
import type { Channel, ConsumeMessage, Options } from 'amqplib';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { commandsQueue } from '../../src/contract/names.ts';
import { eventually } from '../support/eventually.ts';
import { emptyTable, tableLetters, untilTableHas } from '../support/letter-table.ts';
import { inTransaction, openScratch, PARTITIONS } from '../support/scratch.ts';
import type { TcpProxy } from '../support/tcp-proxy.ts';
import { idsOfPartition, lines, save, TestPublisher } from '../support/test-publisher.ts';
import { startWorker, type TestWorker } from '../support/test-worker.ts';

const scratch = await openScratch();
const { names } = scratch;
const [ID = ''] = idsOfPartition(1, 1);

let database: TcpProxy;
let broker: TcpProxy;
let worker: TestWorker;
let publisher: TestPublisher;
let channel: Channel;

beforeAll(async () => {
  database = await scratch.openProxy(scratch.databaseUrl);
  broker = await scratch.openProxy(scratch.amqpUrl);
  worker = await startWorker(scratch, {
    databaseUrl: database.url,
    amqpUrl: broker.url,
    connectTimeoutMs: 500,
    lockTimeoutMs: 1_000,
    statementTimeoutMs: 1_500,
  });
  publisher = await TestPublisher.open(scratch);
  channel = await scratch.broker.createChannel();
});

afterEach(async () => {
  await eventually(waiting.none);
  await emptyTable(scratch);
  expect(worker.fatal).toEqual([]);
});

const waiting = {
  count: async () => (await channel.checkQueue(names.deadLetters)).messageCount,
  none: async () => (await waiting.count()) === 0,
};

const timesMoved = () => worker.metric('holdfast_dead_letters_moved_total');

/** Counts from now; what it returns waits until so many letters were moved, those that are there already included. */
async function movedCount(): Promise<(count: number) => Promise<unknown>> {
  const before = await timesMoved();
  return (count) => eventually(async () => (await timesMoved()) === before + count);
}

function letter(
  headers: Record<string, unknown> = {},
  body = 'body\n',
  properties: Options.Publish = {},
): void {
  channel.publish(names.deadLetters, '', Buffer.from(body), { headers, persistent: true, ...properties });
}

const headersOf = (letterId: string, more: Record<string, unknown> = {}) => ({
  'holdfast-code': 'UNSTORABLE',
  'holdfast-letter-id': letterId,
  'holdfast-failed-at': '2026-01-02T03:04:05.678Z',
  ...more,
});

const failed = (second: number) => ({
  'holdfast-failed-at': new Date(Date.UTC(2026, 0, 2, 3, 4, second)).toISOString(),
});

describe('a letter of a worker', () => {
  it('is in the table with all that is known of it, its body byte for byte', async () => {
    const frame = save({ id: ID, version: 7, type: 'User' }, '["no object", "ž",  1.00]');
    const messageId = randomUUID();
    await publisher.request(frame, { messageId, appId: 'node-7', timestamp: 1_763_894_400 });
    const [moved] = await untilTableHas(scratch, 1);
    expect(moved).toMatchObject({
      code: 'INVALID_DOCUMENT',
      objectId: ID,
      objectType: 'User',
      version: 7,
      partition: `${PARTITIONS}.1`,
      node: 'node-7',
      body: frame,
      publishedAt: '2025-11-23T10:40:00.000Z',
      open: true,
    });
    expect(moved?.headers).toMatchObject({
      'holdfast-message-id': messageId,
      'holdfast-letter-id': moved?.letterId,
      'holdfast-failed-at': moved?.failedAt,
      'holdfast-worker': worker.worker.name,
    });
    // Counted when it is acked, which is behind the commit.
    await eventually(async () => (await worker.metric('holdfast_dead_letters_moved_total')) === 1);
  });

  it('that comes again is there once', async () => {
    const letterId = randomUUID();
    const until = await movedCount();
    for (let time = 0; time < 3; time += 1) letter(headersOf(letterId));
    letter(headersOf(randomUUID()));
    await until(4);
    expect(await tableLetters(scratch)).toHaveLength(2);
  });

  it.each(['dropped_at', 'replayed_at'])(
    'that fails once more after its %s is open again',
    async (closedAt) => {
      const letterId = randomUUID();
      const until = await movedCount();
      letter(headersOf(letterId, failed(1)));
      const [first] = await untilTableHas(scratch, 1);
      await scratch.sql.query(`UPDATE holdfast_dead_letters SET ${closedAt} = '2026-01-02T03:04:02Z'`);
      // The same failure, delivered again, twice in one go.
      for (let time = 0; time < 2; time += 1) letter(headersOf(letterId, failed(1)));
      await until(3);
      expect((await tableLetters(scratch))[0]).toMatchObject({
        number: first?.number,
        letterId,
        open: false,
      });
      for (let time = 0; time < 2; time += 1) {
        letter(headersOf(letterId, { ...failed(3), 'holdfast-code': 'SCHEMA_VIOLATION' }));
      }
      await until(5);
      const again = await eventually(async () =>
        (await tableLetters(scratch)).find((each) => each.letterId === letterId && each.open),
      );
      expect(again).toMatchObject({ code: 'SCHEMA_VIOLATION', failedAt: failed(3)['holdfast-failed-at'] });
      expect(again.number).toBeGreaterThan(first?.number ?? Number.POSITIVE_INFINITY);
    },
  );

  it('is there once if the worker was lost after its commit and before its ack', async () => {
    const letterId = randomUUID();
    const movedBefore = await worker.metric('holdfast_dead_letters_moved_total');
    await inTransaction(scratch, async (client) => {
      await client.query('LOCK TABLE holdfast_dead_letters IN SHARE MODE');
      letter(headersOf(letterId));
      await eventually(async () => {
        const { rows } = await scratch.sql.query(
          `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
           AND query LIKE '%INSERT INTO holdfast_dead_letters%' AND pid <> pg_backend_pid()`,
        );
        return rows.length > 0;
      });
      // The letter returns to its queue while it is being put in.
      broker.cut();
    });
    await eventually(
      async () => (await worker.metric('holdfast_dead_letters_moved_total')) >= movedBefore + 2,
    );
    expect(await tableLetters(scratch)).toMatchObject([{ letterId, open: true }]);
  });

  it('may say anything: what a table cannot hold is replaced or left out', async () => {
    const letterId = randomUUID();
    letter(
      headersOf(letterId, {
        'holdfast-object-id': 'x'.repeat(300),
        'holdfast-object-type': 'nul\0',
        'holdfast-partition': 'where?',
        'holdfast-version': -1,
        'holdfast-failed-at': 'then',
        note: 'nul \0 inside',
        nested: { list: [1, { deep: 'nul \0' }] },
        bytes: Buffer.from([0, 255]),
      }),
      'nul \u0001 body',
    );
    const [moved] = await untilTableHas(scratch, 1);
    expect(moved).toMatchObject({
      letterId,
      objectId: null,
      objectType: null,
      partition: null,
      version: null,
    });
    expect(moved?.headers).toMatchObject({
      note: 'nul \uFFFD inside',
      nested: { list: [1, { deep: 'nul \uFFFD' }] },
      bytes: 'AP8=',
    });
  });
});

it('a message of a stranger is a letter as well', async () => {
  letter({}, 'who are you?');
  const [moved] = await untilTableHas(scratch, 1);
  expect(moved).toMatchObject({ code: 'MALFORMED_FRAME', body: 'who are you?', open: true });
  expect(moved?.headers['holdfast-message']).toContain('no worker');
});

describe('a letter that the broker made', () => {
  it('of a frame that was given back too often is DELIVERY_LIMIT, whole', async () => {
    // Of another number of partitions, which no worker consumes before it has all of its queues.
    const queue = `${names.commandsExchange}.64.63`;
    const taking = await scratch.broker.createChannel();
    await taking.assertQueue(queue, {
      durable: true,
      arguments: {
        'x-queue-type': 'quorum',
        'x-delivery-limit': 2,
        'x-overflow': 'reject-publish',
        'x-dead-letter-exchange': names.deadLetters,
        'x-dead-letter-strategy': 'at-least-once',
      },
    });
    scratch.onEnd(async () => {
      await taking.deleteQueue(queue);
      await taking.close();
    });
    const frame = save({ id: 'a', version: 1 }) + save({ id: 'b', version: 2 });
    taking.sendToQueue(queue, Buffer.from(frame), {
      messageId: 'm-1',
      appId: 'node-1',
      timestamp: 1_763_894_400,
      type: 'holdfast.commands.v1',
      persistent: true,
    });
    await taking.consume(queue, (message: ConsumeMessage | null) => message && taking.nack(message));
    const [moved] = await untilTableHas(scratch, 1);
    expect(moved).toMatchObject({
      code: 'DELIVERY_LIMIT',
      objectId: null,
      partition: '64.63',
      node: 'node-1',
      publishedAt: '2025-11-23T10:40:00.000Z',
      body: frame,
      open: true,
    });
    expect(moved?.headers).toMatchObject({ 'holdfast-message-id': 'm-1' });
    expect(moved?.headers['holdfast-message']).toContain('too often');
  });

  it('has the same id however often it is made', async () => {
    const death = { 'x-death': [{ reason: 'delivery_limit', queue: commandsQueue(names, 4, 2), count: 1 }] };
    for (let time = 0; time < 2; time += 1) letter(death, 'frame', { messageId: 'm-2' });
    letter(death, 'frame', { messageId: 'm-3' });
    await eventually(waiting.none);
    expect(await untilTableHas(scratch, 2)).toHaveLength(2);
    expect(await tableLetters(scratch)).toMatchObject([{ partition: '4.2' }, { partition: '4.2' }]);
  });

  it.each([
    ['expired', 'EXPIRED'],
    ['rejected', 'DELIVERY_LIMIT'],
    ['maxlen', 'DELIVERY_LIMIT'],
  ])('for the reason %s is %s and says so', async (reason, code) => {
    letter({ 'x-death': [{ reason, queue: commandsQueue(names, 4, 0), count: 1 }] });
    const [moved] = await untilTableHas(scratch, 1);
    expect(moved?.code).toBe(code);
    expect(moved?.headers['holdfast-message']).toContain(reason);
  });
});

describe('while nothing can be put in', () => {
  it('letters wait, none is lost, and they go in when the database is back', async () => {
    database.silence('up');
    const ids = Array.from({ length: 250 }, () => randomUUID());
    for (const id of ids) letter(headersOf(id));
    await eventually(
      async () => (await worker.metric('holdfast_dead_letter_move_failures_total')) > 0,
      40_000,
    );
    expect(await tableLetters(scratch)).toEqual([]);
    database.heal();
    const moved = await untilTableHas(scratch, ids.length);
    expect(new Set(moved.map(({ letterId }) => letterId))).toEqual(new Set(ids));
    await eventually(() => worker.ready);
  }, 60_000);

  it('a table that is gone holds them up, and the worker says so', async () => {
    await scratch.sql.query('ALTER TABLE holdfast_dead_letters RENAME TO hidden');
    letter(headersOf(randomUUID()));
    await eventually(() => worker.worker.health.report().conditions['letters']?.ok === false);
    expect(worker.worker.health.live).toBe(true);
    await scratch.sql.query('ALTER TABLE hidden RENAME TO holdfast_dead_letters');
    await untilTableHas(scratch, 1);
    await eventually(() => worker.ready);
  });

  it('and they are taken away meanwhile, the worker finds out by itself when the table is back', async () => {
    await scratch.sql.query('ALTER TABLE holdfast_dead_letters RENAME TO hidden');
    letter(headersOf(randomUUID()));
    await eventually(() => lettersHealth()?.ok === false);
    broker.silence();
    broker.cut();
    await eventually(async () => (await channel.purgeQueue(names.deadLetters)).messageCount === 1);
    // It knows by then that what it holds has returned to the queue.
    await eventually(() => worker.worker.health.report().conditions['broker']?.ok === false);
    broker.heal();
    await scratch.sql.query('ALTER TABLE hidden RENAME TO holdfast_dead_letters');
    // Whether it tried the letter once more before it knew is left open: a letter may be put in twice, and is there once.
    await eventually(() => worker.ready);
  });

  it('for a lock that is held for long, the worker says so after some seconds', async () => {
    await eventually(() => worker.ready);
    await inTransaction(scratch, async (client) => {
      await client.query('LOCK TABLE holdfast_dead_letters IN SHARE MODE');
      letter(headersOf(randomUUID()));
      await eventually(() => lettersHealth()?.ok === false, 20_000);
      expect(worker.worker.health.report().conditions['store']?.ok).toBe(true);
    });
    await untilTableHas(scratch, 1);
    await eventually(() => worker.ready);
  }, 40_000);
});

const lettersHealth = () => worker.worker.health.report().conditions['letters'];

/** Refuses letters whose body begins so, whatever is left out. */
const refuseBad = () =>
  scratch.sql.query(
    `ALTER TABLE holdfast_dead_letters ADD CONSTRAINT no_bad CHECK (body NOT LIKE 'bad%'::bytea) NOT VALID`,
  );
const acceptBad = () => scratch.sql.query('ALTER TABLE holdfast_dead_letters DROP CONSTRAINT no_bad');
const refusals = () =>
  worker.log.filter(({ msg }) => msg === 'the table of dead letters refuses a letter').length;

describe('a letter that the table refuses', () => {
  it('is put in without its fields, and its neighbours with theirs', async () => {
    await scratch.sql.query(
      `ALTER TABLE holdfast_dead_letters ADD CONSTRAINT no_x CHECK (object_id IS DISTINCT FROM 'x')`,
    );
    const ids = [randomUUID(), randomUUID(), randomUUID()];
    for (const [index, id] of ids.entries()) {
      const headers = {
        'holdfast-object-id': index === 1 ? 'x' : 'y',
        'holdfast-published-at': '2026-01-01T00:00:00.000Z',
      };
      letter(headersOf(id, headers), `body ${index}`);
    }
    const moved = await untilTableHas(scratch, 3);
    await scratch.sql.query('ALTER TABLE holdfast_dead_letters DROP CONSTRAINT no_x');
    const byId = new Map(moved.map((each) => [each.letterId, each]));
    expect(ids.map((id) => byId.get(id)?.objectId)).toEqual(['y', null, 'y']);
    expect(byId.get(ids[1] ?? '')).toMatchObject({
      code: 'UNSTORABLE',
      body: 'body 1',
      headers: {},
      publishedAt: '2026-01-01T00:00:00.000Z',
    });
  });

  it('whatever is left out waits, the others go past it, and it goes in once the table takes it', async () => {
    const before = refusals();
    await refuseBad();
    for (let n = 0; n < 3; n += 1) letter(headersOf(randomUUID()), `bad ${n}`);
    // Far more than are held at once, so they must be acked past the refused ones.
    for (let n = 0; n < 60; n += 1) letter(headersOf(randomUUID()), `good ${n}`);
    await untilTableHas(scratch, 60);
    expect(refusals()).toBe(before + 3);
    expect(worker.ready).toBe(true);
    await acceptBad();
    expect((await untilTableHas(scratch, 63)).filter(({ body }) => body.startsWith('bad'))).toHaveLength(3);
  });

  it('and many more besides are said to hold up the others', async () => {
    await refuseBad();
    for (let n = 0; n < 6; n += 1) letter(headersOf(randomUUID()), `bad ${n}`);
    await eventually(() => lettersHealth()?.reason?.startsWith('6 letters are refused by their table'));
    for (let n = 0; n < 30; n += 1) letter(headersOf(randomUUID()), `good ${n}`);
    await untilTableHas(scratch, 30);
    expect(lettersHealth()?.ok).toBe(false);
    await acceptBad();
    await untilTableHas(scratch, 36);
    await eventually(() => worker.ready);
  });
});

describe('a letter whose replay was refused', () => {
  const old = `now() - interval '30 days'`;

  it.each([
    ['of the same object counts as being in the table for as long as the first', 'x', true],
    ['of a whole frame does not, since nothing was kept for that', null, false],
  ])('%s', async (_what, objectId, inherits) => {
    const letterId = randomUUID();
    letter(headersOf(letterId, objectId === null ? {} : { 'holdfast-object-id': objectId }));
    await untilTableHas(scratch, 1);
    await scratch.sql.query(`UPDATE holdfast_dead_letters SET moved_at = ${old}`);
    letter(
      headersOf(randomUUID(), {
        'holdfast-object-id': 'x',
        'holdfast-message-id': `holdfast-replay/${letterId}`,
      }),
    );
    await untilTableHas(scratch, 2);
    const { rows } = await scratch.sql.query<{ open: boolean; young: boolean }>(
      `SELECT replayed_at IS NULL AS open, moved_at > now() - interval '1 day' AS young
       FROM holdfast_dead_letters ORDER BY number`,
    );
    expect(rows).toEqual([
      { open: false, young: false },
      { open: true, young: !inherits },
    ]);
  });
});

it('letters that wait when the worker stops are left to the next', async () => {
  const lonely = await openLonely();
  await inTransaction(scratch, async (client) => {
    await client.query('LOCK TABLE holdfast_dead_letters IN SHARE MODE');
    letter(headersOf(randomUUID()));
    await eventually(waiting.none);
  });
  await untilTableHas(scratch, 1);
  await lonely.worker.stop();
});

const openLonely = () => startWorker(scratch, {});

it('is told apart from a command: lines are only read by who replays them', async () => {
  const deep = lines(`{"delete":${'['.repeat(100_000)}`);
  letter({ 'x-death': [{ reason: 'delivery_limit', queue: commandsQueue(names, 4, 0), count: 1 }] }, deep);
  expect(await untilTableHas(scratch, 1)).toMatchObject([{ body: deep }]);
});
