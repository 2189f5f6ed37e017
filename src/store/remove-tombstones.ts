/** Removes the tombstones of objects that are live again; the row carries version and epoch from now on. */
import { varcharArray } from './binary-array.ts';
import type { Queryable } from './connection.ts';

/** $1 varchar[] ids. */
const REMOVE_TOMBSTONES = {
  name: 'holdfast-remove-tombstones',
  text: `
    DELETE FROM holdfast_tombstones t
    USING unnest($1::varchar[]) AS given (id)
    WHERE t.object_id = given.id`,
};

export async function removeTombstones(connection: Queryable, ids: readonly string[]): Promise<void> {
  await connection.query(REMOVE_TOMBSTONES, [varcharArray(ids)]);
}
