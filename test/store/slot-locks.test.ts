/**
 * The lock slots, with strangers who hold some of them. Goal: nothing of a held slot is decided or written, nobody waits
 * for one, and writers that race under the locks leave what one writer would have left.
 */
import * as fc from 'fast-check';
import type { Client } from 'pg';
import { describe, expect, it } from 'vitest';
import { lockSlotOf, shardOf } from '../../src/contract/partition.ts';
import type { BatchCommand } from '../../src/worker/batch-command.ts';
import { claim, remove, runBatch, save } from '../support/batch-commands.ts';
import { eventually, within } from '../support/eventually.ts';
import { openScratch } from '../support/scratch.ts';
import { COPY_ROWS_MIN, openStore, type TestStore } from '../support/test-store.ts';

const scratch = await openScratch();
const CLAIM = '0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b';
/** "hold" in ASCII. */
const NAMESPACE = Buffer.from('hold').readInt32BE();

const slotOf = (id: string): number => lockSlotOf(shardOf(id));

async function hold(holder: Client, ...slots: number[]): Promise<void> {
  await holder.query('BEGIN');
  await holder.query('SELECT pg_advisory_xact_lock($1, slot) FROM unnest($2::integer[]) AS slot', [
    NAMESPACE,
    slots,
  ]);
}

/** How many slots somebody holds. Looks instead of trying, which would hold them for a moment itself. */
async function heldCount(client: Client): Promise<number> {
  const { rows } = await client.query(
    `SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = $1 AND granted
       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    [NAMESPACE],
  );
  return rows.length;
}

const everything = (store: TestStore) =>
  store.rows(`SELECT 'row', object_id, version, epoch FROM goverse_objects
              UNION ALL SELECT 'tombstone', object_id, version, epoch FROM holdfast_tombstones
              UNION ALL SELECT 'claim', object_id, 0, epoch FROM holdfast_claims ORDER BY 1, 2`);

/** `shard#N/...` is in slot N. */
const inSlot = (slot: number, rest: string): string => `shard#${slot}/${rest}`;

describe.each(['rows', 'copy'] as const)('a batch sent as %s', (path) => {
  it.each([
    ['reports held slots and leaves their objects alone, whatever was to be done to them', false],
    ['reports held slots and leaves their objects alone, whatever might be presumed of them', true],
  ])('%s', async (_name, presumes) => {
    const store = await openStore(scratch, { copyRowsMin: COPY_ROWS_MIN[path] });
    await runBatch(store.session, [
      save(inSlot(5, 'old'), '{}', { version: 1 }),
      save(inSlot(5, 'doomed'), '{}', { version: 1 }),
    ]);
    const before = await everything(store);
    const holder = await scratch.connect(store.databaseUrl);
    await hold(holder, 5, 9);
    const batch = [
      save(inSlot(5, 'old'), '{"a":1}', { version: 2 }),
      save(inSlot(5, 'new'), '{}', { version: 1 }),
      remove(inSlot(5, 'doomed'), { version: 2 }),
      remove(inSlot(9, 'never'), { version: 2 }),
      claim(inSlot(9, 'claimed'), CLAIM),
      save(inSlot(6, 'free'), '{}', { version: 3 }),
    ];
    const { heldSlots, outcomes } = await within(
      2_000,
      'the write',
      runBatch(store.session, batch, presumes),
    );
    expect(heldSlots).toEqual(new Set([5, 9]));
    expect(batch.map((item) => outcomes.get(item)?.outcome)).toEqual([
      ...Array.from({ length: 5 }, () => undefined),
      'applied',
    ]);
    expect(await everything(store)).toEqual(
      [['row', inSlot(6, 'free'), '3', '0'], ...before].toSorted((a, b) =>
        String(a[1]) < String(b[1]) ? -1 : 1,
      ),
    );
    await holder.query('COMMIT');
    const again = await runBatch(store.session, batch, presumes);
    expect(again.heldSlots.size).toBe(0);
    expect(again.outcomes.size).toBe(batch.length);
  });

  it('gives its slots back when it commits, and when it fails', async () => {
    const store = await openStore(scratch, { copyRowsMin: COPY_ROWS_MIN[path] });
    const batch = Array.from({ length: 64 }, (_, slot) => save(inSlot(slot, 'x'), '{}', { version: 1 }));
    await runBatch(store.session, batch);
    expect(await heldCount(store.sql)).toBe(0);
    await store.sql.query('ALTER TABLE goverse_objects RENAME TO gone');
    await expect(runBatch(store.session, batch)).rejects.toMatchObject({ sqlstate: '42P01' });
    expect(await heldCount(store.sql)).toBe(0);
  });
});

describe('the slots of a batch', () => {
  it('are held from before the decision until the commit, and nobody waits for them', async () => {
    const store = await openStore(scratch);
    await store.sql.query(`
      CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NEW; END $$;
      CREATE TRIGGER wait BEFORE INSERT ON goverse_objects FOR EACH ROW EXECUTE FUNCTION wait()`);
    const gate = await scratch.connect(store.databaseUrl);
    await gate.query('SELECT pg_advisory_lock(1)');
    const first = runBatch(store.session, [save('a', '{}', { version: 1 }), save('b', '{}', { version: 1 })]);
    await eventually(async () => (await heldCount(store.sql)) === 2);
    const successor = store.open();
    const late = [remove('a', { version: 2 }), save('c', '{}', { version: 2 })];
    const { heldSlots, outcomes } = await within(2_000, 'the write', runBatch(successor, late.slice(0, 1)));
    expect(heldSlots).toEqual(new Set([slotOf('a')]));
    expect(outcomes.size).toBe(0);
    await gate.query('SELECT pg_advisory_unlock(1)');
    await first;
    expect((await runBatch(successor, late)).heldSlots.size).toBe(0);
    expect(await everything(store)).toEqual([
      ['row', 'b', '1', '0'],
      ['row', 'c', '2', '0'],
      ['tombstone', 'a', '2', '0'],
    ]);
  });

  it('do not depend on the number of partitions: the same object, the same slot', () => {
    expect(slotOf('user-123')).toBe(3_219 % 64);
    expect(slotOf('shard#8191/x')).toBe(63);
    expect(NAMESPACE).toBe(1_752_132_708);
  });
});

describe('saves presumed to be the newest, and all there is', () => {
  it('are all left alone if the slot of one of them is held, and the others then written', async () => {
    const store = await openStore(scratch);
    const holder = await scratch.connect(store.databaseUrl);
    await hold(holder, 9);
    const batch = [
      save(inSlot(6, 'free'), '{}', { version: 3 }),
      save(inSlot(9, 'held'), '{}', { version: 3 }),
    ] as const;
    const { heldSlots, outcomes } = await within(2_000, 'the write', runBatch(store.session, batch, true));
    expect(heldSlots).toEqual(new Set([9]));
    expect(batch.map((item) => outcomes.get(item)?.outcome)).toEqual(['applied', undefined]);
    expect(await everything(store)).toEqual([['row', inSlot(6, 'free'), '3', '0']]);
  });

  it.each([
    [
      'deleted',
      `INSERT INTO holdfast_tombstones (object_id, version, epoch) VALUES ('a', 9, 0)`,
      'superseded',
    ],
    ['claimed', `INSERT INTO holdfast_tombstones (object_id, version, epoch) VALUES ('a', 0, 4)`, 'fenced'],
  ])('see what was %s just before their locks were theirs', async (_, change, outcome) => {
    const store = await openStore(scratch);
    // Takes the lock as PostgreSQL's own does, but waits at a gate before.
    await store.sql.query(`
      CREATE FUNCTION pg_try_advisory_xact_lock(space integer, slot integer) RETURNS boolean LANGUAGE plpgsql AS
        $$ BEGIN
          PERFORM pg_advisory_lock(1), pg_advisory_unlock(1);
          RETURN pg_catalog.pg_try_advisory_xact_lock(space, slot);
        END $$`);
    const url = new URL(store.databaseUrl);
    url.searchParams.set('options', `${url.searchParams.get('options')},pg_catalog`);
    const session = store.open({ databaseUrl: url.href });
    const gate = await scratch.connect(store.databaseUrl);
    await gate.query('SELECT pg_advisory_lock(1)');
    const item = save('a', '{}', { version: 2 });
    const written = runBatch(session, [item], true);
    await eventually(async () => {
      const { rows } = await store.sql.query(
        `SELECT FROM pg_stat_activity
         WHERE wait_event = 'advisory' AND query LIKE '%holdfast_upsert_at_once%' AND datname = current_database()`,
      );
      return rows.length === 1;
    });
    await store.sql.query(change);
    await gate.query('SELECT pg_advisory_unlock(1)');
    expect((await written).outcomes.get(item)?.outcome).toBe(outcome);
    expect(await store.rows('SELECT FROM goverse_objects')).toEqual([]);
  });
});

const isDelete = (version: number): boolean => version % 5 === 0;

/** Every state that a live object ever had, as the database saw them being made. */
const AUDIT = `
  CREATE TABLE audit (seq BIGSERIAL, object_id TEXT, op TEXT, version BIGINT);
  CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF tg_op = 'DELETE' THEN INSERT INTO audit (object_id, op, version) VALUES (OLD.object_id, tg_op, OLD.version);
    ELSE INSERT INTO audit (object_id, op, version) VALUES (NEW.object_id, tg_op, NEW.version); END IF;
    RETURN NULL; END $$;
  CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON goverse_objects FOR EACH ROW EXECUTE FUNCTION audit()`;

describe('six writers that race over the same objects', () => {
  it.each([
    ['lose, overwrite and resurrect nothing, though commands come twice and out of order', false],
    ['do so neither when they presume that every save is the newest', true],
  ])('%s', async (_name, presumes) => {
    const store = await openStore(scratch);
    await store.sql.query(AUDIT);
    const ids = Array.from({ length: 10 }, (_, n) => `object-${n}`);
    const versions = 30;
    const all = ids.flatMap((id) =>
      Array.from({ length: versions }, (_, index): BatchCommand => {
        const version = index + 1;
        return isDelete(version) ? remove(id, { version }) : save(id, `{"v":${version}}`, { version });
      }),
    );
    const work = [...shuffled(all, 1), ...shuffled(all, 2)];
    await Promise.all(
      Array.from({ length: 6 }, async () => {
        for (let batch = work.splice(0, 7); batch.length > 0; batch = work.splice(0, 7)) {
          // Once it was wrong, a session presumes nothing for a while.
          const session = store.open();
          let left: readonly BatchCommand[] = batch;
          while (left.length > 0) {
            const { outcomes } = await runBatch(session, left, presumes);
            left = left.filter((item) => !outcomes.has(item));
          }
          await session.close();
        }
      }),
    );
    expect(await store.rows('SELECT count(*)::int FROM goverse_objects')).toEqual([[0]]);
    expect(await store.rows('SELECT DISTINCT version FROM holdfast_tombstones')).toEqual([[`${versions}`]]);
    expect(
      await store.rows(`
        SELECT object_id, version FROM (
          SELECT object_id, version, lag(version) OVER (PARTITION BY object_id ORDER BY seq) AS before
          FROM audit WHERE op <> 'DELETE') AS steps
        WHERE version <= before`),
    ).toEqual([]);
  });
});

/** In an order that the seed decides. */
function shuffled<T>(items: readonly T[], seed: number): T[] {
  const [order = []] = fc.sample(
    fc.shuffledSubarray([...items], { minLength: items.length, maxLength: items.length }),
    { numRuns: 1, seed },
  );
  return order;
}
