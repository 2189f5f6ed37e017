/** Gives live objects a new state, guarded by version and epoch. Takes row locks in the order of the arrays. */
import { booleanArray } from './binary-array.ts';
import type { Queryable } from './connection.ts';
import { objectArrays } from './insert-objects.ts';
import type { UpdateRow } from './store.ts';

/** @param rows what to select from: columns id, type, data, version, epoch, next_rcseq, recreated. */
export const updateObjectsFrom = (rows: string): string => `
    UPDATE goverse_objects o
    SET object_type = given.type, data = given.data, version = given.version, epoch = given.epoch,
        next_rcseq = CASE WHEN given.recreated THEN given.next_rcseq ELSE greatest(o.next_rcseq, given.next_rcseq) END,
        created_at = CASE WHEN given.recreated THEN CURRENT_TIMESTAMP ELSE o.created_at END,
        updated_at = CURRENT_TIMESTAMP
    FROM ${rows} AS given (id, type, data, version, epoch, next_rcseq, recreated)
    WHERE o.object_id = given.id AND o.epoch <= given.epoch AND o.version < given.version`;

/** $1..$6 as in insert-objects, $7 boolean[] whether the object was deleted in between. */
const UPDATE_OBJECTS = {
  name: 'holdfast-update-objects',
  text: updateObjectsFrom(
    'unnest($1::varchar[], $2::varchar[], $3::jsonb[], $4::bigint[], $5::bigint[], $6::bigint[], $7::boolean[])',
  ),
};

/** Returns how many rows were updated. */
export async function updateObjects(connection: Queryable, updates: readonly UpdateRow[]): Promise<number> {
  const { count } = await connection.query(UPDATE_OBJECTS, [
    ...objectArrays(updates.map(({ row }) => row)),
    booleanArray(updates.map(({ recreated }) => recreated)),
  ]);
  return count;
}
