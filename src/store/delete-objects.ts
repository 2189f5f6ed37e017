/** Removes the rows of deleted objects, guarded by version and epoch; their tombstones are written beside. */
import { bigintArray, varcharArray } from './binary-array.ts';
import type { Queryable } from './connection.ts';
import type { TombstoneRow } from './store.ts';

/** @param rows what to select from: columns id, version, epoch. */
export const deleteObjectsFrom = (rows: string): string => `
    DELETE FROM goverse_objects o
    USING ${rows} AS given (id, version, epoch)
    WHERE o.object_id = given.id AND o.epoch <= given.epoch AND o.version < given.version`;

/** $1 varchar[] ids, $2 bigint[] versions, $3 bigint[] epochs. */
const DELETE_OBJECTS = {
  name: 'holdfast-delete-objects',
  text: deleteObjectsFrom('unnest($1::varchar[], $2::bigint[], $3::bigint[])'),
};

/** Returns how many rows were deleted. */
export async function deleteObjects(connection: Queryable, rows: readonly TombstoneRow[]): Promise<number> {
  const { count } = await connection.query(DELETE_OBJECTS, tombstoneArrays(rows));
  return count;
}

/** The columns of tombstones as arrays: id, version, epoch. */
export function tombstoneArrays(rows: readonly TombstoneRow[]): Buffer[] {
  return [
    varcharArray(rows.map(({ id }) => id)),
    bigintArray(rows.map(({ version }) => version)),
    bigintArray(rows.map(({ epoch }) => epoch)),
  ];
}
