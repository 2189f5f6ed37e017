/** Records which epoch each new claim was given. */
import { bigintArray, varcharArray } from './binary-array.ts';
import type { Queryable } from './connection.ts';
import type { ClaimRow } from './store.ts';

/** $1 varchar[] ids, $2 uuid[] claim ids, $3 bigint[] epochs. */
const INSERT_CLAIMS = {
  name: 'holdfast-insert-claims',
  text: `
    INSERT INTO holdfast_claims (object_id, claim_id, epoch)
    SELECT given.id, given.claim, given.epoch
    FROM unnest($1::varchar[], $2::uuid[], $3::bigint[]) AS given (id, claim, epoch)`,
};

export async function insertClaims(connection: Queryable, rows: readonly ClaimRow[]): Promise<void> {
  await connection.query(INSERT_CLAIMS, [
    varcharArray(rows.map(({ id }) => id)),
    rows.map(({ claim }) => claim),
    bigintArray(rows.map(({ epoch }) => epoch)),
  ]);
}
