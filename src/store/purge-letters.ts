/** Forgets letters that were replayed or dropped long ago. Open ones are kept for ever. */
import type { Queryable } from './connection.ts';

/** $1 bigint age in milliseconds, $2 integer most rows. By the index on the time of closing. */
const PURGE_LETTERS = {
  name: 'holdfast-purge-letters',
  text: `
    DELETE FROM holdfast_dead_letters
    WHERE number IN (
      SELECT number FROM holdfast_dead_letters
      WHERE (replayed_at IS NOT NULL OR dropped_at IS NOT NULL)
        AND coalesce(replayed_at, dropped_at) < now() - $1::bigint * interval '1 millisecond'
      ORDER BY coalesce(replayed_at, dropped_at)
      LIMIT $2
      FOR UPDATE SKIP LOCKED)`,
};

/** Returns how many were forgotten, at most `rowsMax`. */
export async function purgeLetters(
  connection: Queryable,
  olderThanMs: number,
  rowsMax: number,
): Promise<number> {
  const { count } = await connection.query(PURGE_LETTERS, [olderThanMs, rowsMax]);
  return count;
}
