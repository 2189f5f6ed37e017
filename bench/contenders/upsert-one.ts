/** The statement that most people write: one row, prepared, guarded so that what is late does not win. */
import { Pool, type QueryResult } from 'pg';

export const POOL_SIZE = 25;

const UPSERT_ONE = `
  INSERT INTO goverse_objects (object_id, object_type, data, version) VALUES ($1, $2, $3, $4)
  ON CONFLICT (object_id) DO UPDATE
  SET object_type = excluded.object_type, data = excluded.data, version = excluded.version, updated_at = CURRENT_TIMESTAMP
  WHERE goverse_objects.version < excluded.version`;

const DELETE_ONE = 'DELETE FROM goverse_objects WHERE object_id = $1 AND version < $2';

/** A pool with all its connections open. */
export async function openPool(databaseUrl: string): Promise<Pool> {
  const pool = new Pool({ connectionString: databaseUrl, max: POOL_SIZE });
  const clients = await Promise.all(Array.from({ length: POOL_SIZE }, () => pool.connect()));
  for (const client of clients) client.release();
  return pool;
}

export function upsertOne(
  pool: Pool,
  id: string,
  type: string,
  document: string,
  version: number,
): Promise<QueryResult> {
  return pool.query({ name: 'upsert', text: UPSERT_ONE, values: [id, type, document, version] });
}

export function deleteOne(pool: Pool, id: string, version: number): Promise<QueryResult> {
  return pool.query({ name: 'delete', text: DELETE_ONE, values: [id, version] });
}
