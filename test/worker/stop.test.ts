/** Stopping a worker at every moment of its life. Goal: what was taken is finished, what was not comes to the next worker. */
import { createServer } from 'node:net';
import { beforeEach, describe, expect, it } from 'vitest';
import { eventually, within } from '../support/eventually.ts';
import { Letters } from '../support/letters.ts';
import { inTransaction, openScratch } from '../support/scratch.ts';
import { idsOfPartition, lines, load, save, TestPublisher } from '../support/test-publisher.ts';
import { startWorker, TestWorker } from '../support/test-worker.ts';
import { uncaughtDuring } from '../support/uncaught.ts';

const scratch = await openScratch();
await scratch.declare();
await scratch.migrate();
const publisher = await TestPublisher.open(scratch);
const letters = await Letters.open(scratch);
const LIMIT_MS = 10_000;

let run = 0;
/** Other objects for each test. */
const newIds = (): string[] =>
  [0, 1, 2, 3].flatMap((partition) => idsOfPartition(partition, 3, `stopped-${run}`));

beforeEach(() => {
  run += 1;
  letters.all.length = 0;
});

/** Sessions of workers that PostgreSQL still has. */
async function sessionsLeft(): Promise<number> {
  const { rows } = await scratch.sql.query(
    `SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'holdfast %-%'`,
  );
  return rows.length;
}

describe('stop', () => {
  it('is safe before the start, and twice', async () => {
    const { worker } = new TestWorker(scratch.options());
    expect(await within(LIMIT_MS, 'stopping', worker.stop())).toBe(true);
    expect(await within(LIMIT_MS, 'stopping', worker.stop())).toBe(true);
    await expect(worker.start()).rejects.toThrow(/stopped/);
  });

  it('before the start leaves nothing behind that a start afterwards opens', async () => {
    const probe = createServer();
    await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
    const address = probe.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    await new Promise<void>((resolve) => probe.close(() => resolve()));
    const { worker } = new TestWorker(scratch.options({ httpAddress: `127.0.0.1:${port}` }), {
      httpAddressGiven: true,
    });
    await worker.stop();
    await worker.start().catch(() => undefined);
    const answer = fetch(`http://127.0.0.1:${port}/livez`).then(
      ({ status }) => status,
      () => 'nothing listens',
    );
    expect(await answer).toBe('nothing listens');
  });

  it('during the start ends that, twice and at once', async () => {
    const { worker } = new TestWorker(scratch.options());
    const starting = worker.start().catch((error: unknown) => error);
    const stopping = Promise.all([worker.stop(), worker.stop()]);
    expect(await within(LIMIT_MS, 'stopping', stopping)).toEqual([true, true]);
    expect(await starting).toMatchObject({ name: 'StoppedError' });
    expect(await sessionsLeft()).toBe(0);
  });

  it.each([
    ['the schema is checked', 'databaseUrl', 'holdfast_migrations', { declare: false }],
    ['the queues are declared', 'amqpUrl', scratch.names.loadsQueue, {}],
  ] as const)('while %s ends the start, and nothing consumes', async (_what, url, text, more) => {
    const proxy = await scratch.openProxy(scratch[url]);
    const { worker } = new TestWorker(scratch.options({ [url]: proxy.url }), more);
    let stopping: Promise<boolean> | undefined;
    proxy.watch = (direction, bytes) => {
      if (direction === 'up' && bytes.includes(text)) stopping ??= worker.stop();
      return undefined;
    };
    const starting = worker.start().catch((error: unknown) => error);
    await eventually(() => stopping !== undefined);
    expect(await within(LIMIT_MS, 'stopping', stopping ?? Promise.reject())).toBe(true);
    expect(await starting).toMatchObject({ name: 'StoppedError' });
    const channel = await scratch.broker.createChannel();
    const { consumerCount } = await channel.checkQueue(scratch.names.deadLetters);
    expect(consumerCount).toBe(0);
    await channel.close();
  });

  it('during the wait for servers that are away ends the wait', async () => {
    for (const away of [{ amqpUrl: 'amqp://127.0.0.1:1' }, { databaseUrl: 'postgres://127.0.0.1:1/x' }]) {
      const { worker } = new TestWorker(
        scratch.options({ ...away, retryDelayMsMin: 4_000, retryDelayMsMax: 5_000 }),
      );
      const starting = worker.start().catch((error: unknown) => error);
      await eventually(() => !worker.health.ready);
      await within(2_000, 'stopping', worker.stop());
      expect(await starting).toMatchObject({ name: 'StoppedError' });
    }
  });

  it('of an idle worker closes everything at once, and reports not ready', async () => {
    const started = await startWorker(scratch);
    expect(started.ready).toBe(true);
    await publisher.request(load({ id: 'x' }), { loads: true });
    expect(await within(LIMIT_MS, 'stopping', started.worker.stop())).toBe(true);
    expect(started.ready).toBe(false);
    await eventually(async () => (await sessionsLeft()) === 0);
  });
});

describe('under load', () => {
  it('what is taken is finished and what is not is left: every command ends exactly once', async () => {
    const ids = newIds();
    const versions = 120;
    const workers: TestWorker[] = [await startWorker(scratch)];
    let confirmed = 0;
    const sent: Promise<unknown>[] = [];
    for (let version = 1; version <= versions; version += 1) {
      for (const id of ids) {
        // Applied twice, or in another order, each would be a conflict.
        const sending = publisher.send(save({ id, version, ifVersion: version - 1 }));
        sent.push(sending.then(() => (confirmed += 1)));
      }
    }
    const total = sent.length;
    const ended = async (): Promise<number> => {
      const counts = await Promise.all(workers.map((each) => each.outcomes()));
      return counts.flatMap((each) => Object.values(each)).reduce((sum, count) => sum + count, 0);
    };
    for (const share of [0.25, 0.5, 0.75]) {
      await eventually(async () => (await ended()) >= total * share);
      const inTime = await within(LIMIT_MS, 'stopping', workers.at(-1)?.worker.stop() ?? Promise.reject());
      expect(inTime).toBe(true);
      workers.push(await startWorker(scratch));
    }
    await Promise.all(sent);
    await eventually(async () => (await ended()) === total);
    for (const id of ids) {
      expect((await publisher.request(load({ id }))).lines[0]).toMatchObject({ version: versions });
    }
    const counts = await Promise.all(workers.map((each) => each.outcomes()));
    expect(counts.reduce((sum, each) => sum + (each['applied'] ?? 0) + (each['superseded'] ?? 0), 0)).toBe(
      total,
    );
    expect(confirmed).toBe(total);
    expect(letters.all).toEqual([]);
    await workers.at(-1)?.worker.stop();
  });
});

describe('past the deadline', () => {
  const options = { drainTimeoutMs: 300, lockTimeoutMs: 200, statementTimeoutMs: 20_000 };

  it('a batch that cannot be written is given up, says so, and comes to the next worker', async () => {
    const ids = newIds();
    const started = await startWorker(scratch, options);
    await Promise.all(ids.map((id) => publisher.request(save({ id, version: 1 }))));
    await inTransaction(scratch, async (holder) => {
      await holder.query('LOCK TABLE holdfast_tombstones IN ACCESS EXCLUSIVE MODE');
      await Promise.all(ids.map((id) => publisher.send(save({ id, version: 2, ifVersion: 1 }))));
      await publisher.send(load({ id: ids[0] ?? '' }), { loads: true });
      await eventually(async () => (await started.metric('holdfast_deliveries_total')) >= 2 * ids.length);
      const uncaught = await uncaughtDuring(async () => {
        expect(await within(4_000, 'stopping', started.worker.stop())).toBe(false);
      });
      expect(uncaught).toEqual([]);
    });
    const successor = await startWorker(scratch);
    for (const id of ids) {
      expect((await publisher.request(load({ id }))).lines[0]).toMatchObject({ version: 2 });
    }
    expect(letters.all).toEqual([]);
    await successor.worker.stop();
  });

  it('a letter that cannot be published is given up, and its frame comes to the next worker', async () => {
    const [id = ''] = newIds();
    const started = await startWorker(scratch, options);
    const channel = await scratch.broker.createChannel();
    const { deadLetters } = scratch.names;
    // Without a queue the exchange returns everything.
    await channel.deleteExchange(deadLetters);
    await publisher.send(lines(`{"delete":{"id":"${id}"}}`));
    await eventually(() => !started.ready);
    expect(await within(4_000, 'stopping', started.worker.stop())).toBe(false);
    await channel.assertExchange(deadLetters, 'fanout', { durable: true });
    await channel.bindQueue(deadLetters, deadLetters, '');
    const { queue } = await channel.assertQueue('', { exclusive: true });
    await channel.bindQueue(queue, deadLetters, '');
    const successor = await startWorker(scratch);
    const letter = await eventually(async () => (await channel.get(queue, { noAck: true })) || undefined);
    expect(letter.content.toString()).toBe(`{"delete":{"id":"${id}"}}\n`);
    await channel.close();
    await successor.worker.stop();
  });

  it.each([
    ['PostgreSQL', 'databaseUrl'],
    ['RabbitMQ', 'amqpUrl'],
  ] as const)('a silent %s holds nothing up for longer than seconds', async (_name, url) => {
    const proxy = await scratch.openProxy(scratch[url]);
    const started = await startWorker(scratch, { ...options, [url]: proxy.url, heartbeatMs: 20_000 });
    const [id = ''] = newIds();
    await publisher.request(save({ id, version: 1 }) + load({ id }));
    await publisher.request(load({ id }), { loads: true });
    proxy.silence();
    await publisher.send(save({ id, version: 2 }));
    await publisher.send(load({ id }), { loads: true });
    await within(6_000, 'stopping', started.worker.stop());
    proxy.heal();
    const successor = await startWorker(scratch);
    expect((await publisher.request(load({ id }))).lines[0]).toMatchObject({ version: 2 });
    await successor.worker.stop();
  });
});
