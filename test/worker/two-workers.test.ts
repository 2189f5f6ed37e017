/**
 * Several replicas on the same queues: they join, leave, and are cut off in the middle of a batch. Goal: partitions come to
 * those they belong to, and however often they move, nothing is lost, overtaken or applied twice.
 */
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { idealOwner } from '../../src/worker/rendezvous.ts';
import { eventually, within } from '../support/eventually.ts';
import { Letters } from '../support/letters.ts';
import { openScratch, PARTITIONS } from '../support/scratch.ts';
import { idsOfPartition, load, save, TestPublisher } from '../support/test-publisher.ts';
import { startWorker, type TestWorker } from '../support/test-worker.ts';

const scratch = await openScratch();
const LIMIT_MS = 20_000;
/** Of both, two partitions of four. */
const NAMES = ['replica-a', 'replica-b'] as const;

let publisher: TestPublisher;
let letters: Letters;

beforeAll(async () => {
  await scratch.declare();
  publisher = await TestPublisher.open(scratch);
  letters = await Letters.open(scratch);
});

/** From 4 on RabbitMQ moves partitions itself, and workers leave it to that. */
const handsOver = Number.parseInt(scratch.broker.connection.serverProperties.version, 10) < 4;

let run = 0;
let ids: string[] = [];

beforeEach(() => {
  run += 1;
  ids = Array.from({ length: PARTITIONS }, (_, partition) =>
    idsOfPartition(partition, 3, `shared-${run}`),
  ).flat();
});

/** Publishes saves that each build on the one before, for as long as it is told to. */
class Traffic {
  version = 0;
  #running = true;
  readonly #done: Promise<void>;

  constructor() {
    this.#done = this.#run();
  }

  async stop(): Promise<void> {
    this.#running = false;
    await this.#done;
  }

  async #run(): Promise<void> {
    while (this.#running) {
      this.version += 1;
      const { version } = this;
      const next = ids.map((id) => publisher.send(save({ id, version, ifVersion: version - 1 })));
      await Promise.all(next);
    }
  }
}

async function expectAllApplied({ version }: Traffic): Promise<void> {
  expect(version).toBeGreaterThan(5);
  for (const id of ids) {
    const { lines } = await within(LIMIT_MS, 'a load', publisher.request(load({ id })));
    expect(lines[0]).toMatchObject({ outcome: 'found', version });
  }
}

/** Letters of conflicts of this test's objects. */
const conflicts = () =>
  letters.all.filter(({ headers }) => ids.includes(String(headers['holdfast-object-id'])));

const ownedBy = async (worker: TestWorker): Promise<number[]> => {
  const owned: number[] = [];
  for (let partition = 0; partition < PARTITIONS; partition += 1) {
    const labels = { partition_count: String(PARTITIONS), partition: String(partition) };
    if ((await worker.metric('holdfast_partition_owned', labels)) === 1) owned.push(partition);
  }
  return owned;
};

const idealOf = (name: string, workers: readonly string[]): number[] =>
  Array.from({ length: PARTITIONS }, (_, partition) => partition).filter(
    (partition) => idealOwner(workers, { partitionCount: PARTITIONS, partition }) === name,
  );

describe('two replicas', () => {
  it('divide the partitions as they belong to them, and one that stays takes those of one that leaves', async () => {
    expect(NAMES.map((name) => idealOf(name, NAMES).length)).toEqual([2, 2]);
    const first = await startWorker(scratch, { workerName: NAMES[0] });
    const traffic = new Traffic();
    await eventually(async () => (await ownedBy(first)).length === PARTITIONS);
    const second = await startWorker(scratch, { workerName: NAMES[1] });
    await eventually(
      async () =>
        String(await ownedBy(first)) === String(idealOf(NAMES[0], NAMES)) &&
        String(await ownedBy(second)) === String(idealOf(NAMES[1], NAMES)),
      LIMIT_MS,
    );
    expect(await within(LIMIT_MS, 'stopping', first.worker.stop())).toBe(true);
    await eventually(async () => (await ownedBy(second)).length === PARTITIONS, LIMIT_MS);
    await traffic.stop();
    await expectAllApplied(traffic);
    // Handed over in order, each command was done by exactly one of them.
    expect(conflicts()).toEqual([]);
    await second.worker.stop();
  });

  it('of which one is cut off from everything in the middle leave no trace of it', async () => {
    const [broker, database] = [
      await scratch.openProxy(scratch.amqpUrl),
      await scratch.openProxy(scratch.databaseUrl),
    ];
    const doomed = await startWorker(scratch, {
      workerName: NAMES[0],
      amqpUrl: broker.url,
      databaseUrl: database.url,
      idleInTransactionTimeoutMs: 500,
      heartbeatMs: 1_000,
    });
    const heir = await startWorker(scratch, { workerName: NAMES[1] });
    const traffic = new Traffic();
    await eventually(async () => ((await doomed.outcomes())['applied'] ?? 0) > 20);
    // Nothing passes any more, and nobody is told.
    database.silence();
    broker.silence();
    await eventually(async () => (await ownedBy(heir)).length === PARTITIONS, LIMIT_MS);
    await traffic.stop();
    await expectAllApplied(traffic);
    broker.heal();
    database.heal();
    // What it had decided and could not tell is overtaken; what it does from now on is right again.
    const again = new Traffic();
    again.version = traffic.version;
    await eventually(() => again.version > traffic.version + 20);
    await again.stop();
    await expectAllApplied(again);
    expect(doomed.fatal).toEqual([]);
    await Promise.all([doomed.worker.stop(), heir.worker.stop()]);
  });
});

describe('a replica alone', () => {
  it('that hands over to one which is announced and is not there goes on itself, in order', async () => {
    const alone = await startWorker(scratch, { workerName: NAMES[0] });
    const traffic = new Traffic();
    const ghost = { worker: NAMES[1], state: 'here', partitionCounts: [PARTITIONS], active: [] };
    for (let time = 1; time <= 3; time += 1) {
      // Of a partition that has delivered nothing yet it does not know that it has it, and hands nothing over.
      await eventually(async () => (await ownedBy(alone)).length === PARTITIONS);
      publisher.channel.publish(scratch.names.workersExchange, '', Buffer.from(JSON.stringify(ghost)));
      if (handsOver) {
        await eventually(
          () => alone.log.filter(({ msg }) => msg === 'handing partitions over').length >= time,
        );
      }
      const before = traffic.version;
      await eventually(() => traffic.version > before + 5);
    }
    await traffic.stop();
    await expectAllApplied(traffic);
    expect(conflicts()).toEqual([]);
    await alone.worker.stop();
  });
});

describe('four replicas', () => {
  it('that come and go under load lose nothing and apply nothing twice', async () => {
    const traffic = new Traffic();
    const workers: TestWorker[] = [];
    for (let n = 0; n < 4; n += 1) workers.push(await startWorker(scratch, { workerName: `many-${n}` }));
    const before = traffic.version;
    for (const leaving of workers.splice(0, 3)) {
      expect(await within(LIMIT_MS, 'stopping', leaving.worker.stop())).toBe(true);
      workers.push(await startWorker(scratch));
    }
    await eventually(() => traffic.version > before + 10, LIMIT_MS);
    await traffic.stop();
    await expectAllApplied(traffic);
    expect(conflicts()).toEqual([]);
    for (const { worker, fatal } of workers) {
      expect(fatal).toEqual([]);
      await worker.stop();
    }
  });
});
