/** Raises the epoch of live objects for a claim; touches neither their state nor `updated_at`. */
import { bigintArray, varcharArray } from './binary-array.ts';
import type { Queryable } from './connection.ts';
import type { EpochRow } from './store.ts';

/** @param rows what to select from: columns id, epoch. */
export const raiseEpochsFrom = (rows: string): string => `
    UPDATE goverse_objects o
    SET epoch = given.epoch
    FROM ${rows} AS given (id, epoch)
    WHERE o.object_id = given.id AND o.epoch < given.epoch`;

/** $1 varchar[] ids, $2 bigint[] epochs. */
const RAISE_EPOCHS = {
  name: 'holdfast-raise-epochs',
  text: raiseEpochsFrom('unnest($1::varchar[], $2::bigint[])'),
};

/** Returns how many rows were changed. */
export async function raiseEpochs(connection: Queryable, rows: readonly EpochRow[]): Promise<number> {
  const { count } = await connection.query(RAISE_EPOCHS, epochArrays(rows));
  return count;
}

/** The columns of rows as arrays: id, epoch. */
export function epochArrays(rows: readonly EpochRow[]): Buffer[] {
  return [varcharArray(rows.map(({ id }) => id)), bigintArray(rows.map(({ epoch }) => epoch))];
}
