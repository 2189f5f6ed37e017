/** Keeps the version and epoch of objects that have no row, never lowering either. */
import type { Queryable } from './connection.ts';
import { tombstoneArrays } from './delete-objects.ts';
import type { TombstoneRow } from './store.ts';

/** @param rows what to select from: columns id, version, epoch. */
export const upsertTombstonesFrom = (rows: string): string => `
    INSERT INTO holdfast_tombstones AS t (object_id, version, epoch)
    SELECT given.id, given.version, given.epoch
    FROM ${rows} AS given (id, version, epoch)
    ON CONFLICT (object_id) DO UPDATE
      SET version = excluded.version, epoch = excluded.epoch, changed_at = now()
      WHERE t.epoch <= excluded.epoch AND t.version <= excluded.version`;

/** $1 varchar[] ids, $2 bigint[] versions, $3 bigint[] epochs. */
const UPSERT_TOMBSTONES = {
  name: 'holdfast-upsert-tombstones',
  text: upsertTombstonesFrom('unnest($1::varchar[], $2::bigint[], $3::bigint[])'),
};

/** Returns how many tombstones were written. */
export async function upsertTombstones(
  connection: Queryable,
  rows: readonly TombstoneRow[],
): Promise<number> {
  const { count } = await connection.query(UPSERT_TOMBSTONES, tombstoneArrays(rows));
  return count;
}
