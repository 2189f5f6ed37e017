/**
 * Plans that were made while a table was nearly empty. Goal: when it has grown, statements go by its index again, though
 * PostgreSQL has not looked at the table meanwhile.
 */
import { afterEach, expect, it, vi } from 'vitest';
import { Connection } from '../../src/store/connection.ts';
import { readStates } from '../../src/store/read-states.ts';
import { CREATE_STAGING } from '../../src/store/stage-objects.ts';
import { updateStagedObjects } from '../../src/store/update-staged-objects.ts';
import { upsertStagedObjects } from '../../src/store/upsert-staged-objects.ts';
import { openScratch } from '../support/scratch.ts';
import { openStore, type TestStore } from '../support/test-store.ts';

const scratch = await openScratch();

afterEach(() => void vi.restoreAllMocks());

/** Lets the sessions of this process believe that so much time has passed. */
function pass(ms: number): void {
  const now = performance.now.bind(performance);
  vi.spyOn(performance, 'now').mockImplementation(() => now() + ms);
}

/** A table that PostgreSQL looks at only when it is told to. */
async function openUnwatched(): Promise<TestStore> {
  const store = await openStore(scratch);
  await store.sql.query('ALTER TABLE goverse_objects SET (autovacuum_enabled = off)');
  return store;
}

/** Adds objects of these numbers. */
async function fill({ sql }: TestStore, from: number, to: number): Promise<void> {
  await sql.query(
    `INSERT INTO goverse_objects (object_id, object_type, data)
     SELECT 'object-' || n, 'T', '{}' FROM generate_series(${from}, ${to}) AS n`,
  );
}

/** Of a prepared statement. */
async function planOf(connection: Connection, name: string, values: string): Promise<string> {
  const { rows } = await connection.query<[line: string]>({ text: `EXPLAIN EXECUTE "${name}" (${values})` });
  return rows.map(([line]) => line).join('\n');
}

/** Each row is looked up by its key. */
const BY_KEY = /goverse_objects_pkey on goverse_objects o .*\n.*Index Cond: /;

it('are made anew when they are old', async () => {
  const store = await openUnwatched();
  await fill(store, 1, 1);
  await store.sql.query('ANALYZE goverse_objects');
  const connection = await Connection.open({ ...store.options, genericPlans: true });
  scratch.onEnd(() => connection.close());
  await connection.query(CREATE_STAGING);
  await readStates(connection, ['object-1']);
  await updateStagedObjects(connection, Buffer.alloc(0));
  await fill(store, 2, 10_000);
  const plan = (): Promise<string> => planOf(connection, 'holdfast-update-staged-objects', `''`);
  expect(await plan()).not.toMatch(BY_KEY);
  pass(11_000);
  await connection.refreshPlans();
  expect(await plan()).toMatch(BY_KEY);
  expect(await planOf(connection, 'holdfast-read-states', `'{object-1}'`)).toMatch(BY_KEY);
});

it.each([0, 1, 2, 3, 5, 20])(
  'of saves that are presumed to be newer look rows up one by one, even if made while there were %i',
  async (count) => {
    const store = await openUnwatched();
    await fill(store, 1, count);
    await store.sql.query('VACUUM ANALYZE goverse_objects');
    const connection = await Connection.open({ ...store.options, genericPlans: true });
    scratch.onEnd(() => connection.close());
    await connection.query(CREATE_STAGING);
    await upsertStagedObjects(connection, 0);
    const plan = await planOf(connection, 'holdfast-upsert-staged-objects', '0');
    expect(plan).toMatch(BY_KEY);
    expect(plan).not.toContain('Materialize');
  },
);

it('are left alone before that', async () => {
  const store = await openStore(scratch);
  const proxy = await scratch.openProxy(store.databaseUrl);
  let discarded = 0;
  proxy.watch = (direction, bytes) => {
    if (direction === 'up' && bytes.includes('DISCARD PLANS')) discarded += 1;
    return undefined;
  };
  const session = store.open({ databaseUrl: proxy.url });
  await session.probe();
  await session.probe();
  expect(discarded).toBe(0);
  pass(11_000);
  await session.probe();
  await session.probe();
  expect(discarded).toBe(1);
});
