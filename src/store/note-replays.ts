/** Writes down what replays came to; letters that are done with are closed. */
import type { Queryable } from './connection.ts';

/**
 * $1 bigint[] numbers, $2 text[] outcomes, $3 boolean[] whether that closes the letter. Only open ones: what a worker or
 * another run has closed meanwhile stays as it is.
 */
const NOTE_REPLAYS = {
  text: `
    UPDATE holdfast_dead_letters l
    SET replay_outcome = given.outcome, attempted_at = now(), replay_attempts = l.replay_attempts + 1,
        replayed_at = CASE WHEN given.closes THEN now() END
    FROM unnest($1::bigint[], $2::text[], $3::boolean[]) AS given (number, outcome, closes)
    WHERE l.number = given.number AND l.replayed_at IS NULL AND l.dropped_at IS NULL`,
};

export interface ReplayNote {
  readonly number: number;
  readonly outcome: string;
  readonly closes: boolean;
}

/** @throws StoreError */
export async function noteReplays(connection: Queryable, notes: readonly ReplayNote[]): Promise<void> {
  await connection.query(NOTE_REPLAYS, [
    notes.map(({ number }) => number),
    notes.map(({ outcome }) => outcome),
    notes.map(({ closes }) => closes),
  ]);
}
