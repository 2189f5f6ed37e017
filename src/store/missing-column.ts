/**
 * Tells why a row lacks a value that its table demands (23502): because its document lacks what a generated column is
 * made from, which is the row's fault, or because somebody added a column that no row of ours can have, which is not.
 */
import type { Queryable } from './connection.ts';
import { StoreError } from './store-error.ts';

const NOT_NULL_VIOLATION = '23502';

/** $1 column name. One row, one boolean; none if there is no such column. */
const IS_GENERATED = {
  text: `
    SELECT attgenerated <> '' FROM pg_attribute
    WHERE attrelid = 'goverse_objects'::regclass AND attname = $1 AND NOT attisdropped`,
};

/** @throws StoreError of class `systemic` if every new row is refused for a column that is not ours. */
export async function checkMissingColumn(connection: Queryable, error: StoreError): Promise<void> {
  if (error.sqlstate !== NOT_NULL_VIOLATION || error.column === undefined) return;
  const { rows } = await connection.query<[generated: boolean]>(IS_GENERATED, [error.column]);
  if (rows[0]?.[0] !== false) return;
  const { message, sqlstate, column } = error;
  throw new StoreError(message, { failure: 'systemic', sqlstate, column, cause: error });
}
