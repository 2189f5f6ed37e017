/** Closes letters whose replay was refused, and became a new letter. */
import { byteaArray } from './binary-array.ts';
import type { Queryable } from './connection.ts';

/**
 * $1 uuid[] ids of the replayed letters, $2 bytea[] bodies of the new ones. Only where the bytes are the same: then what
 * was refused is in the new letter, whole. Not prepared: a plan made while the table was small would go by the index of
 * the open letters, and read all of them.
 */
const CLOSE_REFUSED_AGAIN = {
  text: `
    UPDATE holdfast_dead_letters l
    SET replayed_at = now(), replay_outcome = 'rejected', attempted_at = now(),
        replay_attempts = l.replay_attempts + 1
    FROM unnest($1::uuid[], $2::bytea[]) AS given (letter_id, body)
    WHERE l.letter_id = ANY ($1::uuid[]) AND l.letter_id = given.letter_id AND l.body = given.body
      AND l.replayed_at IS NULL AND l.dropped_at IS NULL`,
};

export async function closeRefusedAgain(
  connection: Queryable,
  refused: readonly { readonly letterId: string; readonly body: Buffer }[],
): Promise<void> {
  await connection.query(CLOSE_REFUSED_AGAIN, [
    refused.map(({ letterId }) => letterId),
    byteaArray(refused.map(({ body }) => ({ body, documentStart: 0, documentEnd: body.length }))),
  ]);
}
