/** Puts dead letters into their table, each once; what was closed and then failed once more is opened again. */
import { byteaArray } from './binary-array.ts';
import type { Queryable } from './connection.ts';
import type { LetterRow } from './letter-row.ts';

/**
 * $1 jsonb array of letters, $2 bytea[] their bodies in the same order. Numbered in the given order, in which they are
 * replayed if they failed at the same time. Two workers with the same letters in another order may wait for each other
 * crosswise; one of them is ended by the database and tries again.
 *
 * A letter that is there already is the same failure, delivered again, unless it was closed before this failure: then
 * somebody has to decide about it anew. It gets a new number, since who dropped or exported the old one did not mean it.
 */
const INSERT_LETTERS = {
  name: 'holdfast-insert-letters',
  text: `
    INSERT INTO holdfast_dead_letters AS l (
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
    ON CONFLICT (letter_id) DO UPDATE
      SET number = DEFAULT, failed_at = excluded.failed_at, published_at = excluded.published_at, moved_at = now(),
          code = excluded.code, object_id = excluded.object_id, object_type = excluded.object_type,
          version = excluded.version, partition = excluded.partition, node = excluded.node,
          message_type = excluded.message_type, headers = excluded.headers, replayed_at = NULL, dropped_at = NULL
      WHERE excluded.failed_at > coalesce(l.dropped_at, l.replayed_at)`,
};

/** Returns how many were not there yet, or were closed. */
export async function insertLetters(connection: Queryable, given: readonly LetterRow[]): Promise<number> {
  // One statement must not come to the same row twice.
  const letters = [...new Map(given.map((letter) => [letter.letterId, letter])).values()];
  const fields = letters.map(({ body: _body, replayOf: _replayOf, ...others }) => others);
  const bodies = byteaArray(
    letters.map(({ body }) => ({ body, documentStart: 0, documentEnd: body.length })),
  );
  const { count } = await connection.query(INSERT_LETTERS, [JSON.stringify(fields), bodies]);
  return count;
}
