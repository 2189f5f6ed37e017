/**
 * Writes down that a worker begins to work on frames that it may die of. What is older than a day is forgotten on the
 * way: workers that die of a frame do so within minutes, and the rows that a death left behind need no purge of their
 * own.
 */
import type { Queryable } from './connection.ts';
import type { SuspectNote } from './store.ts';

/**
 * $1 uuid[] of frames, $2 uuid[] of beginnings (written down twice one counts once), $3 uuid[] of processes, $4 text[] of
 * their workers. One row for each, in order: how many other processes began it and did not take that back. Of several
 * frames, those in front of the first with such are written down.
 */
const BEGIN_SUSPECTS = {
  name: 'holdfast-begin-suspects',
  text: `
    WITH forgotten AS (
      DELETE FROM holdfast_suspects WHERE begun_at < now() - interval '1 day'),
    given AS (
      SELECT g.*, (
        SELECT count(DISTINCT s.owner_id)::int FROM holdfast_suspects AS s
        WHERE s.frame_id = g.frame_id AND s.owner_id <> g.owner_id AND s.begun_at >= now() - interval '1 day') AS deaths
      FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[])
        WITH ORDINALITY AS g (frame_id, beginning_id, owner_id, worker, ord)),
    noted AS (
      INSERT INTO holdfast_suspects (frame_id, beginning_id, owner_id, worker)
      SELECT frame_id, beginning_id, owner_id, worker FROM given
      WHERE cardinality($1::uuid[]) = 1 OR NOT EXISTS (
        SELECT FROM given AS known WHERE known.deaths > 0 AND known.ord <= given.ord)
      ON CONFLICT (frame_id, beginning_id) DO NOTHING)
    SELECT deaths FROM given ORDER BY ord`,
};

export async function beginSuspects(connection: Queryable, notes: readonly SuspectNote[]): Promise<number[]> {
  const { rows } = await connection.query<[deaths: number]>(BEGIN_SUSPECTS, [
    notes.map(({ frameId }) => frameId),
    notes.map(({ beginningId }) => beginningId),
    notes.map(({ ownerId }) => ownerId),
    notes.map(({ worker }) => worker),
  ]);
  return rows.map(([deaths]) => deaths);
}
