/** Writes down what replays came to; letters that are done with are closed. */
import type { Queryable } from './connection.ts';

/**
 * $1 bigint[] numbers, $2 text[] outcomes, $3 boolean[] whether that closes the letter. Only open ones: what a worker or
 * another run has closed meanwhile stays as it is. By the index on numbers; a join with the arrays was planned to read
 * every open letter.
 */
const NOTE_REPLAYS = {
  text: `
    UPDATE holdfast_dead_letters
    SET replay_outcome = ($2::text[])[array_position($1::bigint[], number)], attempted_at = now(),
        replay_attempts = replay_attempts + 1,
        replayed_at = CASE WHEN ($3::boolean[])[array_position($1::bigint[], number)] THEN now() END
    WHERE number = ANY ($1::bigint[]) AND replayed_at IS NULL AND dropped_at IS NULL`,
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
