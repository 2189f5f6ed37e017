/**
 * Forgets tombstones that are older than any command can come back. Rows that a batch is writing are left for next time;
 * those of objects with an open dead letter stay until it is replayed or dropped, since the letter is such a command.
 */
import type { Queryable } from './connection.ts';

/**
 * $1 bigint age in milliseconds, $2 integer most rows. By the index on changed_at, then that on the object of open
 * letters. Not prepared: a plan made while there were no letters would read all of them later.
 */
const PURGE_TOMBSTONES = {
  text: `
    DELETE FROM holdfast_tombstones
    WHERE object_id IN (
      SELECT t.object_id FROM holdfast_tombstones t
      WHERE t.changed_at < now() - $1::bigint * interval '1 millisecond'
        AND NOT EXISTS (
          SELECT FROM holdfast_dead_letters l
          WHERE l.object_id = t.object_id AND l.replayed_at IS NULL AND l.dropped_at IS NULL)
      ORDER BY t.changed_at
      LIMIT $2
      FOR UPDATE SKIP LOCKED)`,
};

/** Returns how many were forgotten, at most `rowsMax`. */
export async function purgeTombstones(
  connection: Queryable,
  olderThanMs: number,
  rowsMax: number,
): Promise<number> {
  const { count } = await connection.query(PURGE_TOMBSTONES, [olderThanMs, rowsMax]);
  return count;
}
