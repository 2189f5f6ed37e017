/**
 * A worker that stops where it stands, as a frozen virtual machine does, in the middle of a transaction. Goal: whoever
 * takes its partitions over goes on with all of them, at once with those whose locks it does not hold; and when the
 * stopped one wakes, it changes nothing.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type HoldfastClient, partitionOf } from 'holdfast';
import { Client } from 'pg';
import { afterEach, beforeEach, expect, inject, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { Scratch } from './harness/scratch.ts';
import { WorkerPool } from './harness/worker-pool.ts';
import { STOPS, type StopName } from './mutants/mutations.ts';

const PARTITIONS = 4;
/** Enough for COPY, as it is configured here. */
const ROWS = 20;
const LIMIT_MS = 60_000;

let scratch: Scratch;
let folder: string;
let sql: Client;
let client: HoldfastClient;
let pools: WorkerPool[] = [];

beforeEach(async () => {
  scratch = await Scratch.create(inject('amqpUrl'), inject('databaseUrl'), PARTITIONS);
  folder = await mkdtemp(join(tmpdir(), 'holdfast-stopped-'));
  sql = new Client({ connectionString: scratch.databaseUrl });
  await sql.connect();
  client = await connect({
    url: scratch.amqpUrl,
    node: 'node',
    prefix: scratch.prefix,
    partitions: PARTITIONS,
  });
});

afterEach(async () => {
  await client.close({ drainTimeoutMs: 0 });
  await Promise.all(pools.map((pool) => pool.close()));
  pools = [];
  await sql.end();
  await scratch.remove();
  await rm(folder, { recursive: true, force: true });
});

function newPool(stop?: StopName): WorkerPool {
  const pool = new WorkerPool(scratch, folder, stop);
  pools.push(pool);
  return pool;
}

function idsOf(partition: number, count: number): string[] {
  const ids: string[] = [];
  for (let n = 0; ids.length < count; n += 1) {
    const id = `stopped-${n}`;
    if (partitionOf(id, PARTITIONS) === partition) ids.push(id);
  }
  return ids;
}

/** Whether a session waits for its client inside a transaction. */
async function someoneStands(): Promise<boolean> {
  const { rows } = await sql.query(
    `SELECT FROM pg_stat_activity
     WHERE datname = current_database() AND application_name LIKE 'holdfast %'
       AND (state = 'idle in transaction' OR (state = 'active' AND wait_event = 'ClientRead'))`,
  );
  return rows.length > 0;
}

const saves = (ids: readonly string[], count: number) =>
  ids.map((id) => ({ id, type: 'Stopped', document: { count } }));

it.each(Object.keys(STOPS) as StopName[])(
  '%s, is survived by its partitions and harmless when it wakes',
  async (stop) => {
    const environment = { HOLDFAST_COPY_ROWS_MIN: '2' };
    const first = await newPool(stop).add(environment);
    await first?.ready;
    const ids = idsOf(0, 2 * ROWS);
    // Two frames: when the worker wakes, another batch may wait in it.
    const saved = Promise.all(
      [ids.slice(0, ROWS), ids.slice(ROWS)].map((half) =>
        client.saveMany(saves(half, 1), { until: 'persisted', timeoutMs: LIMIT_MS }),
      ),
    );
    await eventually(someoneStands);

    const second = await newPool().add(environment);
    await second?.ready;
    // RabbitMQ gives its partitions away; PostgreSQL keeps its transaction.
    first?.amqp.disturb({ frozen: true });
    first?.amqp.cut();
    for (const partition of [1, 2, 3]) {
      const others = saves(idsOf(partition, ROWS), 1);
      const results = await client.saveMany(others, { until: 'persisted', timeoutMs: LIMIT_MS });
      expect(new Set(results.map(({ outcome }) => outcome))).toEqual(new Set(['applied']));
    }
    expect(new Set((await saved).flat().map(({ outcome }) => outcome))).toEqual(new Set(['applied']));
    await client.saveMany(saves(ids, 2), { until: 'persisted', timeoutMs: LIMIT_MS });

    first?.amqp.heal();
    first?.thaw();
    // It is told that its session has ended, and comes back as any worker does.
    await eventually(async () => !(await someoneStands()));
    const loaded = await client.loadMany(ids);
    expect(loaded.map((object) => object.found && object.document)).toEqual(ids.map(() => ({ count: 2 })));
    expect(pools.flatMap(({ crashes }) => crashes)).toEqual([]);
  },
  2 * LIMIT_MS,
);
