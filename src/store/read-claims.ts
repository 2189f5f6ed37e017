/** Reads the epochs that claims were given, to answer redelivered ones alike. */
import { varcharArray } from './binary-array.ts';
import type { Queryable } from './connection.ts';
import { type ClaimKey, claimKey } from './store.ts';

/** $1 varchar[] ids, $2 uuid[] claim ids, same length and order. A row for each known claim. */
const READ_CLAIMS = {
  name: 'holdfast-read-claims',
  text: `
    SELECT c.object_id, c.claim_id, c.epoch
    FROM unnest($1::varchar[], $2::uuid[]) AS wanted (id, claim)
    JOIN holdfast_claims c ON c.object_id = wanted.id AND c.claim_id = wanted.claim`,
};

export async function readClaims(
  connection: Queryable,
  claims: readonly ClaimKey[],
): Promise<Map<string, number>> {
  const { rows } = await connection.query<[id: string, claim: string, epoch: string]>(READ_CLAIMS, [
    varcharArray(claims.map(({ id }) => id)),
    claims.map(({ claim }) => claim),
  ]);
  return new Map(rows.map(([id, claim, epoch]) => [claimKey(id, claim), Number(epoch)]));
}
