/** Writes down that a worker survived a frame: whatever became of it, nobody dies of it any more. */
import type { Queryable } from './connection.ts';

/** $1 uuid of the frame. */
const END_SUSPECT = {
  name: 'holdfast-end-suspect',
  text: 'DELETE FROM holdfast_suspects WHERE frame_id = $1',
};

export async function endSuspect(connection: Queryable, frameId: string): Promise<void> {
  await connection.query(END_SUSPECT, [frameId]);
}
