/**
 * Writes down that a worker begins to work on a frame that it may die of. What is older than a day is forgotten on the
 * way: workers that die of a frame do so within minutes, and the rows that a death left behind need no purge of their
 * own.
 */
import type { Queryable } from './connection.ts';
import type { SuspectNote } from './store.ts';

/**
 * $1 uuid of the frame, $2 uuid of this beginning (written down twice it counts once), $3 uuid of the process, $4 its
 * worker. One row: how many other processes began it and did not take that back.
 */
const BEGIN_SUSPECT = {
  name: 'holdfast-begin-suspect',
  text: `
    WITH forgotten AS (
      DELETE FROM holdfast_suspects WHERE begun_at < now() - interval '1 day'),
    noted AS (
      INSERT INTO holdfast_suspects (frame_id, beginning_id, owner_id, worker) VALUES ($1, $2, $3, $4)
      ON CONFLICT (frame_id, beginning_id) DO NOTHING)
    SELECT count(DISTINCT owner_id)::int FROM holdfast_suspects
    WHERE frame_id = $1 AND owner_id <> $3 AND begun_at >= now() - interval '1 day'`,
};

export async function beginSuspect(connection: Queryable, note: SuspectNote): Promise<number> {
  const { frameId, beginningId, ownerId, worker } = note;
  const values = [frameId, beginningId, ownerId, worker];
  const { rows } = await connection.query<[deaths: number]>(BEGIN_SUSPECT, values);
  return rows[0]?.[0] ?? 0;
}
