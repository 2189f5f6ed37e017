/** Takes back that this process works on frames alone, and leaves what others wrote down of them. */
import type { Queryable } from './connection.ts';

/** $1 uuid[] of beginnings. */
const WITHDRAW_SUSPECTS = {
  name: 'holdfast-withdraw-suspects',
  text: 'DELETE FROM holdfast_suspects WHERE beginning_id = ANY($1::uuid[])',
};

export async function withdrawSuspects(
  connection: Queryable,
  beginningIds: readonly string[],
): Promise<void> {
  await connection.query(WITHDRAW_SUSPECTS, [beginningIds]);
}
