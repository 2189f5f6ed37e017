/**
 * Forgets tombstones that are older than any command can come back. Rows that a batch is writing are left for next time;
 * those of objects with an open dead letter stay until it is replayed or dropped, since the letter is such a command.
 */
import type { Queryable } from './connection.ts';
import type { Purged } from './store.ts';

/**
 * $1 bigint age in milliseconds, $2 integer most rows, $3 timestamptz from when on. One row: how many, and the time of the
 * last. By the index on changed_at, then that on the object of open letters. Not prepared: a plan made while there were
 * no letters would read all of them later.
 */
const PURGE_TOMBSTONES = {
  text: `
    WITH gone AS (
      DELETE FROM holdfast_tombstones
      WHERE object_id IN (
        SELECT t.object_id FROM holdfast_tombstones t
        WHERE t.changed_at < now() - $1::bigint * interval '1 millisecond'
          AND t.changed_at >= coalesce($3::timestamptz, '-infinity')
          AND NOT EXISTS (
            SELECT FROM holdfast_dead_letters l
            WHERE l.object_id = t.object_id AND l.replayed_at IS NULL AND l.dropped_at IS NULL)
        ORDER BY t.changed_at
        LIMIT $2
        FOR UPDATE SKIP LOCKED)
      RETURNING changed_at)
    SELECT count(*), max(changed_at)::text FROM gone`,
};

/** Forgets at most `rowsMax`. @param from what `reached` was before, in the same run. */
export async function purgeTombstones(
  connection: Queryable,
  olderThanMs: number,
  rowsMax: number,
  from: string | undefined,
): Promise<Purged> {
  const values = [olderThanMs, rowsMax, from ?? null];
  const { rows } = await connection.query<[count: string, last: string | null]>(PURGE_TOMBSTONES, values);
  return { rows: Number(rows[0]?.[0] ?? 0), reached: rows[0]?.[1] ?? from };
}
