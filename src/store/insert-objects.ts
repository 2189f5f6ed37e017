/**
 * Makes absent objects live.
 *
 * The decision was made under the slot locks, so no row is there; if a writer who bypasses Holdfast made one in
 * between, the primary key refuses (23505 on goverse_objects_pkey) and the batch is decided anew. The tombstone guard
 * stays in the SQL all the same: a row that it stops is missing from the count.
 */
import { bigintArray, jsonbArray, varcharArray } from './binary-array.ts';
import type { Queryable } from './connection.ts';
import type { ObjectRow } from './store.ts';

/** @param rows what to select from: columns id, type, data, version, epoch, next_rcseq. */
export const insertObjectsFrom = (rows: string): string => `
    INSERT INTO goverse_objects (object_id, object_type, data, version, epoch, next_rcseq)
    SELECT given.id, given.type, given.data, given.version, given.epoch, given.next_rcseq
    FROM ${rows} AS given (id, type, data, version, epoch, next_rcseq)
    WHERE NOT EXISTS (
      SELECT FROM holdfast_tombstones t
      WHERE t.object_id = given.id AND (t.version >= given.version OR t.epoch > given.epoch))`;

/** $1 varchar[] ids, $2 varchar[] types, $3 jsonb[] documents, $4..$6 bigint[] versions, epochs, next_rcseq. */
const INSERT_OBJECTS = {
  name: 'holdfast-insert-objects',
  text: insertObjectsFrom(
    'unnest($1::varchar[], $2::varchar[], $3::jsonb[], $4::bigint[], $5::bigint[], $6::bigint[])',
  ),
};

/** Returns how many rows were inserted. */
export async function insertObjects(connection: Queryable, rows: readonly ObjectRow[]): Promise<number> {
  const { count } = await connection.query(INSERT_OBJECTS, objectArrays(rows));
  return count;
}

/** The columns of rows as arrays: id, type, data (as `documentArray` makes it), version, epoch, next_rcseq. */
export function objectArrays(rows: readonly ObjectRow[], documentArray = jsonbArray): Buffer[] {
  return [
    varcharArray(rows.map(({ id }) => id)),
    varcharArray(rows.map(({ type }) => type)),
    documentArray(rows),
    bigintArray(rows.map(({ version }) => version)),
    bigintArray(rows.map(({ epoch }) => epoch)),
    bigintArray(rows.map(({ nextRcseq }) => nextRcseq)),
  ];
}
