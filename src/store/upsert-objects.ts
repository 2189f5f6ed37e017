/**
 * Writes saves without knowing what is stored, guarded by version and epoch, and by there being no tombstone. For batches
 * of which it is presumed that everything is newer than what is stored: then nothing is read. Takes row locks in the order
 * of the arrays.
 *
 * MERGE and not INSERT ... ON CONFLICT, whose every row is inserted on trial and confirmed, or locked before it is updated,
 * each with a record of its own in the WAL; in exchange two of them may meet on one object. Ours never do, since they hold
 * its slot. Where somebody without the lock inserts the row in between, the primary key refuses (23505), and the batch is
 * tried again, as after every write that others were in the way of.
 *
 * n.b. The tombstones are those of the statement's snapshot. Who deletes a row and writes its tombstone without the slot
 * lock, while this waits for that row, is not seen; everybody of ours takes the lock.
 */
import type { Queryable } from './connection.ts';
import { objectArrays } from './insert-objects.ts';
import type { ObjectRow } from './store.ts';

/** @param rows what to select from, under the name `sent`: columns object_id, object_type, data, version, epoch, next_rcseq. */
export const upsertObjectsFrom = (rows: string, condition = 'true'): string => `
    MERGE INTO goverse_objects AS o
    USING (
      SELECT sent.object_id, sent.object_type, sent.data, sent.version, sent.epoch, sent.next_rcseq
      FROM ${rows}
      WHERE ${condition}
        AND NOT EXISTS (SELECT FROM holdfast_tombstones t WHERE t.object_id = sent.object_id)
    ) AS given
    ON o.object_id = given.object_id
    WHEN NOT MATCHED THEN
      INSERT (object_id, object_type, data, version, epoch, next_rcseq)
      VALUES (given.object_id, given.object_type, given.data, given.version, given.epoch, given.next_rcseq)
    WHEN MATCHED AND o.epoch <= given.epoch AND o.version < given.version THEN
      UPDATE
      SET object_type = given.object_type, data = given.data, version = given.version, epoch = given.epoch,
          next_rcseq = greatest(o.next_rcseq, given.next_rcseq), updated_at = CURRENT_TIMESTAMP`;

/** $1..$6 as in insert-objects. */
const UPSERT_OBJECTS = {
  name: 'holdfast-upsert-objects',
  text: upsertObjectsFrom(`
    unnest($1::varchar[], $2::varchar[], $3::jsonb[], $4::bigint[], $5::bigint[], $6::bigint[])
      AS sent (object_id, object_type, data, version, epoch, next_rcseq)`),
};

/** Returns how many rows went through the guard. */
export async function upsertObjects(connection: Queryable, rows: readonly ObjectRow[]): Promise<number> {
  const { count } = await connection.query(UPSERT_OBJECTS, objectArrays(rows));
  return count;
}
