/** Takes one slot lock and waits for it, at most the session's `lock_timeout`. Released by COMMIT or ROLLBACK. */
import type { Queryable } from './connection.ts';
import { LOCK_NAMESPACE } from './lock-slots.ts';

/** $1 integer slot. */
const WAIT_FOR_SLOT = { text: `SELECT pg_advisory_xact_lock(${LOCK_NAMESPACE}, $1::integer)` };

/** @throws StoreError, of class `contended` if others held it for too long. */
export async function waitForSlot(connection: Queryable, slot: number): Promise<void> {
  await connection.query(WAIT_FOR_SLOT, [slot]);
}
