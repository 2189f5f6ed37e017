/**
 * Writes down that a worker begins to work on a frame that it may die of. What is older than a day is forgotten on the
 * way: workers that die of a frame do so within minutes, and the rows that a death left behind need no purge of their
 * own.
 */
import type { Queryable } from './connection.ts';

/** $1 uuid of the frame. One row: how often it was begun, this time included. */
const BEGIN_SUSPECT = {
  name: 'holdfast-begin-suspect',
  text: `
    WITH forgotten AS (
      DELETE FROM holdfast_suspects WHERE begun_at < now() - interval '1 day' AND frame_id <> $1)
    INSERT INTO holdfast_suspects AS s (frame_id, begun) VALUES ($1, 1)
    ON CONFLICT (frame_id) DO UPDATE
      SET begun = CASE WHEN s.begun_at < now() - interval '1 day' THEN 1 ELSE s.begun + 1 END, begun_at = now()
    RETURNING begun`,
};

export async function beginSuspect(connection: Queryable, frameId: string): Promise<number> {
  const { rows } = await connection.query<[begun: number]>(BEGIN_SUSPECT, [frameId]);
  return rows[0]?.[0] ?? 1;
}
