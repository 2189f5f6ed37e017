/** What is forgotten, and what is kept for the sake of open letters. */
import { beforeAll, expect, it } from 'vitest';
import { PostgresStore } from '../../src/store/postgres-store.ts';
import { putLetters } from '../support/letter-table.ts';
import { openScratch } from '../support/scratch.ts';

const scratch = await openScratch();

beforeAll(() => scratch.migrate());

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
  const session = new PostgresStore({ ...scratch.connectionOptions(), copyRowsMin: 1 }).openReadSession();
  scratch.onEnd(() => session.close());
  expect(await session.purge(7 * 86_400_000, 100)).toBe(4);
  const left = async (table: string): Promise<unknown> =>
    (
      await scratch.sql.query({ text: `SELECT object_id FROM ${table} ORDER BY object_id`, rowMode: 'array' })
    ).rows.flat();
  expect(await left('holdfast_tombstones')).toEqual(['open']);
  expect(await left('holdfast_dead_letters')).toEqual(['dropped', 'open', null]);
  // Once it is closed, the tombstone may go as well.
  await scratch.sql.query(`UPDATE holdfast_dead_letters SET dropped_at = now() WHERE object_id = 'open'`);
  expect(await session.purge(7 * 86_400_000, 100)).toBe(1);
  expect(await left('holdfast_tombstones')).toEqual([]);
});
