/** What is forgotten, and what is kept for the sake of open letters. */
import { beforeAll, expect, it } from 'vitest';
import { PostgresStore } from '../../src/store/postgres-store.ts';
import { PURGED_KINDS } from '../../src/store/store.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { Retention } from '../../src/worker/retention.ts';
import { putLetters } from '../support/letter-table.ts';
import { openScratch } from '../support/scratch.ts';

const scratch = await openScratch();

beforeAll(() => scratch.migrate());

const RETENTION_MS = 7 * 86_400_000;
const store = new PostgresStore({ ...scratch.connectionOptions(), copyRowsMin: 1 });

function openSession() {
  const session = store.openReadSession();
  scratch.onEnd(() => session.close());
  return session;
}

it('tombstones stay while their object has an open letter; closed letters go, open ones stay for ever', async () => {
  const old = `now() - interval '30 days'`;
  await scratch.sql.query(`
    INSERT INTO holdfast_tombstones (object_id, version, epoch, changed_at)
    SELECT id, 1, 0, ${old} FROM unnest(ARRAY['open', 'replayed', 'dropped', 'none']) AS id`);
  const objects = ['open', 'replayed', 'dropped'];
  await putLetters(scratch, [...objects.map((objectId) => ({ body: 'x', objectId })), { body: 'y' }]);
  await scratch.sql.query(`
    UPDATE holdfast_dead_letters SET failed_at = ${old}, moved_at = ${old},
      replayed_at = CASE object_id WHEN 'replayed' THEN ${old} END,
      dropped_at = CASE object_id WHEN 'dropped' THEN now() END`);
  const session = openSession();
  const purge = async (): Promise<number[]> => {
    const rows: number[] = [];
    for (const kind of PURGED_KINDS) rows.push((await session.purge(kind, RETENTION_MS, 100)).rows);
    return rows;
  };
  expect(await purge()).toEqual([3, 0, 1]);
  const left = async (table: string): Promise<unknown> =>
    (
      await scratch.sql.query({ text: `SELECT object_id FROM ${table} ORDER BY object_id`, rowMode: 'array' })
    ).rows.flat();
  expect(await left('holdfast_tombstones')).toEqual(['open']);
  expect(await left('holdfast_dead_letters')).toEqual(['dropped', 'open', null]);
  // Once it is closed, the tombstone may go as well.
  await scratch.sql.query(`UPDATE holdfast_dead_letters SET dropped_at = now() WHERE object_id = 'open'`);
  expect(await purge()).toEqual([1, 0, 0]);
  expect(await left('holdfast_tombstones')).toEqual([]);
});

it('one run looks at tombstones that have to stay only once', async () => {
  await scratch.sql.query(`
    INSERT INTO holdfast_tombstones (object_id, version, epoch, changed_at)
    SELECT id, 1, 0, now() - interval '30 days' + ordinality * interval '1 second'
    FROM unnest(ARRAY['1', 'kept', '2', '3']) WITH ORDINALITY AS given (id, ordinality)`);
  await putLetters(scratch, [{ body: 'x', objectId: 'kept' }]);
  const session = openSession();
  const first = await session.purge('tombstones', RETENTION_MS, 2);
  expect(first.rows).toBe(2);
  // Even if it may go now: this run is past it, and the next one begins anew.
  await scratch.sql.query(`UPDATE holdfast_dead_letters SET dropped_at = now() WHERE object_id = 'kept'`);
  expect(await session.purge('tombstones', RETENTION_MS, 2, first.reached)).toMatchObject({ rows: 1 });
  expect(await session.purge('tombstones', RETENTION_MS, 2)).toMatchObject({ rows: 1 });
});

it('one kind that cannot be forgotten does not keep the others', async () => {
  const old = `now() - interval '30 days'`;
  await scratch.sql.query(`
    INSERT INTO holdfast_tombstones (object_id, version, epoch, changed_at) VALUES ('t', 1, 0, ${old})`);
  await putLetters(scratch, [{ body: 'x' }]);
  await scratch.sql.query(`UPDATE holdfast_dead_letters SET dropped_at = ${old} WHERE object_id IS NULL`);
  await scratch.sql.query(`ALTER TABLE holdfast_claims RENAME TO hidden`);
  const logger = createLogger({ level: 'silent' });
  const retention = new Retention({
    store,
    retentionMs: RETENTION_MS,
    logger,
    onBug: (error) => expect.fail(String(error)),
  });
  scratch.onEnd(() => retention.stop());
  await retention.purge();
  await scratch.sql.query(`ALTER TABLE hidden RENAME TO holdfast_claims`);
  const { rows } = await scratch.sql.query(`
    SELECT FROM holdfast_tombstones WHERE object_id = 't'
    UNION ALL SELECT FROM holdfast_dead_letters WHERE dropped_at < ${old} + interval '1 day'`);
  expect(rows).toEqual([]);
});
