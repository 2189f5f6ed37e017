/**
 * Writes saves without knowing what is stored, guarded by version and epoch, and by there being no tombstone. For batches
 * of which it is presumed that everything is newer than what is stored: then nothing is read. Takes row locks in the order
 * of the arrays.
 *
 * n.b. The tombstones are those of the statement's snapshot. Who deletes a row and writes its tombstone without the slot
 * lock, while this waits for that row, is not seen; everybody of ours takes the lock. PostgreSQL needs a unique index on
 * `object_id` alone, as the primary key is.
 */
import type { Queryable } from './connection.ts';
import { objectArrays } from './insert-objects.ts';
import type { ObjectRow } from './store.ts';

/** @param rows what to select from, under the name `given`: columns object_id, object_type, data, version, epoch, next_rcseq. */
export const upsertObjectsFrom = (rows: string, condition = 'true'): string => `
    INSERT INTO goverse_objects AS o (object_id, object_type, data, version, epoch, next_rcseq)
    SELECT given.object_id, given.object_type, given.data, given.version, given.epoch, given.next_rcseq
    FROM ${rows}
    WHERE ${condition}
      AND NOT EXISTS (SELECT FROM holdfast_tombstones t WHERE t.object_id = given.object_id)
    ON CONFLICT (object_id) DO UPDATE
    SET object_type = excluded.object_type, data = excluded.data, version = excluded.version, epoch = excluded.epoch,
        next_rcseq = greatest(o.next_rcseq, excluded.next_rcseq), updated_at = CURRENT_TIMESTAMP
    WHERE o.epoch <= excluded.epoch AND o.version < excluded.version`;

/** $1..$6 as in insert-objects. */
const UPSERT_OBJECTS = {
  name: 'holdfast-upsert-objects',
  text: upsertObjectsFrom(`
    unnest($1::varchar[], $2::varchar[], $3::jsonb[], $4::bigint[], $5::bigint[], $6::bigint[])
      AS given (object_id, object_type, data, version, epoch, next_rcseq)`),
};

/** Returns how many rows went through the guard. */
export async function upsertObjects(connection: Queryable, rows: readonly ObjectRow[]): Promise<number> {
  const { count } = await connection.query(UPSERT_OBJECTS, objectArrays(rows));
  return count;
}
