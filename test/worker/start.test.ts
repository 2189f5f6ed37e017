/** Starting a worker where things are missing or wrong. Goal: it waits for what may come, and says what never will. */
import { describe, expect, it } from 'vitest';
import { declareTopology, deleteTopology } from '../../src/broker/topology.ts';
import type { Options } from '../../src/config/options.ts';
import { namesFor } from '../../src/contract/names.ts';
import { migrate } from '../../src/store/migrate.ts';
import type { WorkerOptions } from '../../src/worker/worker.ts';
import { eventually, within } from '../support/eventually.ts';
import { openScratch, PARTITIONS } from '../support/scratch.ts';
import { onChannel } from '../support/test-broker.ts';
import { load, TestPublisher } from '../support/test-publisher.ts';
import { startWorker, TestWorker } from '../support/test-worker.ts';

const scratch = await openScratch();
const LIMIT_MS = 10_000;

function newWorker(overrides: Partial<Options>, more: Partial<WorkerOptions> = {}): TestWorker {
  const created = new TestWorker(scratch.options(overrides), more);
  scratch.onEnd(() => created.worker.stop());
  return created;
}

const refusalOf = ({ worker }: TestWorker): Promise<unknown> =>
  within(
    LIMIT_MS,
    'the refusal',
    worker.start().then(
      () => 'it started',
      (error: unknown) => error,
    ),
  );

const databaseUrl = (change: (url: URL) => void): string => {
  const url = new URL(scratch.databaseUrl);
  change(url);
  return url.href;
};

describe('a start', () => {
  it.each([
    ['a database that does not exist', { databaseUrl: databaseUrl((url) => (url.pathname = '/none')) }],
    ['a user that does not exist', { databaseUrl: databaseUrl((url) => (url.username = 'nobody-here')) }],
  ])('with %s fails at once', async (_name, overrides) => {
    expect(await refusalOf(newWorker(overrides))).toMatchObject({ code: 'STORE_MISCONFIGURED' });
  });

  it('with queues of other arguments fails at once', async () => {
    const names = namesFor(`${scratch.id}-other`);
    await onChannel(scratch, (channel) => channel.assertExchange(names.workersExchange, 'topic'));
    scratch.onEnd(() => deleteTopology(scratch.broker, names, [1]));
    expect(await refusalOf(newWorker({ prefix: names.prefix, partitions: 1 }))).toMatchObject({
      code: 'BROKER_TOPOLOGY',
    });
  });

  it('without the schema, where somebody else migrates, fails at once', async () => {
    const url = await scratch.createSchema();
    expect(await refusalOf(newWorker({ databaseUrl: url }, { migrate: false }))).toMatchObject({
      code: 'SCHEMA_OUTDATED',
    });
  });

  it('on a database whose encoding is not UTF-8 fails at once, since ids would not fit', async () => {
    const url = await scratch.createDatabase(
      '-latin1',
      `TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'`,
    );
    expect(String(await refusalOf(newWorker({ databaseUrl: url })))).toMatch(/UTF-?8/);
  });

  it('without queues, where somebody else declares, waits for them', async () => {
    const names = namesFor(`${scratch.id}-late`);
    const url = await scratch.createSchema();
    await migrate(scratch.connectionOptions({ databaseUrl: url }));
    const waiting = newWorker({ prefix: names.prefix, partitions: 1, databaseUrl: url }, { declare: false });
    const starting = waiting.worker.start();
    await eventually(() => waiting.worker.health.report().conditions['consuming']?.reason?.includes('404'));
    expect(waiting.ready).toBe(false);
    scratch.onEnd(() => deleteTopology(scratch.broker, names, [1]));
    await declareTopology(scratch.broker, names, 1);
    await within(LIMIT_MS, 'the start', starting);
    expect(waiting.ready).toBe(true);
  });

  it('waits for servers that are not there yet', async () => {
    const [broker, database] = [
      await scratch.openProxy(scratch.amqpUrl),
      await scratch.openProxy(await scratch.createSchema()),
    ];
    broker.silence();
    database.silence();
    const waiting = newWorker({ amqpUrl: broker.url, databaseUrl: database.url, connectTimeoutMs: 100 });
    const starting = waiting.worker.start();
    await eventually(() => broker.accepted > 1 && database.accepted > 1);
    expect(waiting.ready).toBe(false);
    expect(waiting.worker.health.live).toBe(true);
    database.heal();
    broker.heal();
    await within(LIMIT_MS, 'the start', starting);
    expect(waiting.ready).toBe(true);
    await waiting.worker.stop();
  });

  it('of many at once on an empty database and an empty broker makes all of them ready', async () => {
    const url = await scratch.createSchema();
    const workers = await within(
      LIMIT_MS,
      'the start',
      Promise.all([1, 2, 3, 4].map(() => startWorker(scratch, { databaseUrl: url }))),
    );
    for (const { ready, log } of workers) {
      expect(ready).toBe(true);
      expect(log.filter(({ msg }) => msg === 'worker ready')).toHaveLength(1);
    }
    const publisher = await TestPublisher.open(scratch);
    for (let partition = 0; partition < PARTITIONS; partition += 1) {
      const { lines } = await publisher.request(load({ id: `shard#${partition}/x` }));
      expect(lines).toMatchObject([{ outcome: 'absent' }]);
    }
    await Promise.all(workers.map(({ worker }) => worker.stop()));
  });
});
