/** Writes down that a worker survived frames: whatever became of them, nobody dies of them any more. */
import type { Queryable } from './connection.ts';

/** $1 uuid[] of frames. */
const END_SUSPECTS = {
  name: 'holdfast-end-suspects',
  text: 'DELETE FROM holdfast_suspects WHERE frame_id = ANY($1::uuid[])',
};

export async function endSuspects(connection: Queryable, frameIds: readonly string[]): Promise<void> {
  await connection.query(END_SUSPECTS, [frameIds]);
}
