/** Puts dead letters into their table, each once. */
import { byteaArray } from './binary-array.ts';
import type { Queryable } from './connection.ts';
import type { LetterRow } from './letter-row.ts';

/**
 * $1 jsonb array of letters, $2 bytea[] their bodies in the same order. Numbered in the given order, in which they are
 * replayed if they failed at the same time. Two workers with the same letters in another order may wait for each other
 * crosswise; one of them is ended by the database and tries again.
 */
const INSERT_LETTERS = {
  name: 'holdfast-insert-letters',
  text: `
    INSERT INTO holdfast_dead_letters (
      letter_id, failed_at, published_at, code, object_id, object_type, version, partition, node, message_type,
      headers, body)
    SELECT letter_id, failed_at, published_at, code, object_id, object_type, version, partition, node, message_type,
           headers, body
    FROM ROWS FROM (
      jsonb_to_recordset($1::jsonb) AS (
        "letterId" UUID, "failedAt" TIMESTAMPTZ, "publishedAt" TIMESTAMPTZ, code TEXT, "objectId" TEXT,
        "objectType" TEXT, version BIGINT, partition TEXT, node TEXT, "messageType" TEXT, headers JSONB),
      unnest($2::bytea[])) WITH ORDINALITY AS given (
        letter_id, failed_at, published_at, code, object_id, object_type, version, partition, node, message_type,
        headers, body, place)
    ORDER BY place
    ON CONFLICT (letter_id) DO NOTHING`,
};

/** Returns how many were not there yet. */
export async function insertLetters(connection: Queryable, letters: readonly LetterRow[]): Promise<number> {
  const fields = letters.map(({ body: _body, replayOf: _replayOf, ...given }) => given);
  const bodies = byteaArray(
    letters.map(({ body }) => ({ body, documentStart: 0, documentEnd: body.length })),
  );
  const { count } = await connection.query(INSERT_LETTERS, [JSON.stringify(fields), bodies]);
  return count;
}
