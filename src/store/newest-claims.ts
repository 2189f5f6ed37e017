/** Reads the newest claims of one object. For tools. */
import type { Queryable } from './connection.ts';

/** $1 id, $2 how many. Newest first, each with the number of all. The primary key begins with the object's id. */
const NEWEST_CLAIMS = {
  text: `
    SELECT c.claim_id, c.epoch, to_char(c.claimed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
           count(*) OVER ()
    FROM holdfast_claims c
    WHERE c.object_id = $1
    ORDER BY c.claimed_at DESC, c.epoch DESC
    LIMIT $2`,
};

export interface ClaimDetails {
  readonly claim: string;
  readonly epoch: number;
  /** ISO 8601, UTC. */
  readonly claimedAt: string;
}

/** @throws StoreError */
export async function readNewestClaims(
  connection: Queryable,
  id: string,
  limit: number,
): Promise<{ readonly claims: readonly ClaimDetails[]; readonly count: number }> {
  const { rows } = await connection.query<[claim: string, epoch: string, claimedAt: string, count: string]>(
    NEWEST_CLAIMS,
    [id, limit],
  );
  return {
    claims: rows.map(([claim, epoch, claimedAt]) => ({ claim, epoch: Number(epoch), claimedAt })),
    count: Number(rows[0]?.[3] ?? 0),
  };
}
