/** Puts dead letters into their table, each once, and closes those whose replay failed and became a new letter. */
import { byteaArray } from './binary-array.ts';
import type { Queryable } from './connection.ts';
import type { LetterRow } from './letter-row.ts';

/**
 * $1 jsonb array of letters, $2 bytea[] their bodies in the same order. Numbered in the given order, in which they are
 * replayed if they failed at the same time. Two workers with the same letters in another order may wait for each other
 * crosswise; one of them is ended by the database and tries again. A letter is closed only by one with the same bytes: what
 * failed again is then in the new letter, whole.
 */
const INSERT_LETTERS = {
  name: 'holdfast-insert-letters',
  text: `
    WITH given AS MATERIALIZED (
      SELECT * FROM ROWS FROM (
        jsonb_to_recordset($1::jsonb) AS (
          "letterId" UUID, "failedAt" TIMESTAMPTZ, "publishedAt" TIMESTAMPTZ, code TEXT, "objectId" TEXT,
          "objectType" TEXT, version BIGINT, partition TEXT, node TEXT, "messageType" TEXT, "replayOf" UUID,
          headers JSONB),
        unnest($2::bytea[])) WITH ORDINALITY AS letter (
          letter_id, failed_at, published_at, code, object_id, object_type, version, partition, node, message_type,
          replay_of, headers, body, place)
    ), replaced AS (
      UPDATE holdfast_dead_letters l
      SET replayed_at = now(), replay_outcome = 'rejected', attempted_at = now(),
          replay_attempts = l.replay_attempts + 1
      FROM given g
      WHERE l.letter_id = g.replay_of AND l.body = g.body AND l.replayed_at IS NULL AND l.dropped_at IS NULL
    )
    INSERT INTO holdfast_dead_letters (
      letter_id, failed_at, published_at, code, object_id, object_type, version, partition, node, message_type,
      headers, body)
    SELECT letter_id, failed_at, published_at, code, object_id, object_type, version, partition, node, message_type,
           headers, body
    FROM given ORDER BY place
    ON CONFLICT (letter_id) DO NOTHING`,
};

/** Returns how many were not there yet. */
export async function insertLetters(connection: Queryable, letters: readonly LetterRow[]): Promise<number> {
  const fields = letters.map(({ body: _body, ...given }) => given);
  const bodies = byteaArray(letters.map(({ body }) => body));
  const { count } = await connection.query(INSERT_LETTERS, [JSON.stringify(fields), bodies]);
  return count;
}
