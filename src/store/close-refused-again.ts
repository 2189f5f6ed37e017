/** Closes letters whose replay was refused, and became a new letter. */
import { byteaArray } from './binary-array.ts';
import type { Queryable } from './connection.ts';

/**
 * $1 uuid[] ids of the replayed letters, $2 uuid[] ids of the new ones, $3 bytea[] bodies of the new ones. Only where the
 * bytes are the same: then what was refused is in the new letter, whole. If both name the same object, its tombstone was
 * kept all along, so the new letter counts as being in the table for as long as the old one.
 *
 * Not prepared: a plan made while the table was small would go by the index of the open letters, and read all of them.
 */
const CLOSE_REFUSED_AGAIN = {
  text: `
    WITH closed AS (
      UPDATE holdfast_dead_letters l
      SET replayed_at = now(), replay_outcome = 'rejected', attempted_at = now(),
          replay_attempts = l.replay_attempts + 1
      FROM unnest($1::uuid[], $2::uuid[], $3::bytea[]) AS given (letter_id, new_id, body)
      WHERE l.letter_id = ANY ($1::uuid[]) AND l.letter_id = given.letter_id AND l.body = given.body
        AND l.replayed_at IS NULL AND l.dropped_at IS NULL
      RETURNING given.new_id, l.object_id, l.moved_at)
    UPDATE holdfast_dead_letters l SET moved_at = closed.moved_at
    FROM closed
    WHERE l.letter_id = ANY ($2::uuid[]) AND l.letter_id = closed.new_id
      AND l.object_id = closed.object_id AND l.moved_at > closed.moved_at
      AND l.replayed_at IS NULL AND l.dropped_at IS NULL`,
};

export interface RefusedAgain {
  /** Of the letter that was replayed. */
  readonly letterId: string;
  /** Of the letter that its replay became. */
  readonly newId: string;
  readonly body: Buffer;
}

export async function closeRefusedAgain(
  connection: Queryable,
  refused: readonly RefusedAgain[],
): Promise<void> {
  await connection.query(CLOSE_REFUSED_AGAIN, [
    refused.map(({ letterId }) => letterId),
    refused.map(({ newId }) => newId),
    byteaArray(refused.map(({ body }) => ({ body, documentStart: 0, documentEnd: body.length }))),
  ]);
}
