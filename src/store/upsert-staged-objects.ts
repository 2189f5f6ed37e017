/** Writes staged saves without knowing what is stored; otherwise as upsert-objects. */
import type { Queryable } from './connection.ts';
import { upsertObjectsFrom } from './upsert-objects.ts';

/** $1 integer: the first so many of the staged rows. */
const UPSERT_STAGED_OBJECTS = {
  name: 'holdfast-upsert-staged-objects',
  text: upsertObjectsFrom('pg_temp.holdfast_staging AS sent', 'sent.ord < $1::integer'),
};

/** Returns how many rows went through the guard. */
export async function upsertStagedObjects(connection: Queryable, rows: number): Promise<number> {
  const { count } = await connection.query(UPSERT_STAGED_OBJECTS, [rows]);
  return count;
}
