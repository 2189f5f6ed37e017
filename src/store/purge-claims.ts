/** Forgets which epoch old claims were given; one that comes again after that is a new claim. */
import type { Queryable } from './connection.ts';

/** $1 bigint age in milliseconds, $2 integer most rows. By the index on claimed_at. */
const PURGE_CLAIMS = {
  name: 'holdfast-purge-claims',
  text: `
    DELETE FROM holdfast_claims
    WHERE (object_id, claim_id) IN (
      SELECT object_id, claim_id FROM holdfast_claims
      WHERE claimed_at < now() - $1::bigint * interval '1 millisecond'
      ORDER BY claimed_at
      LIMIT $2
      FOR UPDATE SKIP LOCKED)`,
};

/** Returns how many were forgotten, at most `rowsMax`. */
export async function purgeClaims(
  connection: Queryable,
  olderThanMs: number,
  rowsMax: number,
): Promise<number> {
  const { count } = await connection.query(PURGE_CLAIMS, [olderThanMs, rowsMax]);
  return count;
}
