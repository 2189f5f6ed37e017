/**
 * Takes the advisory locks of a batch's slots, without waiting: who holds one is about to finish, or is stopped; in
 * both cases the other partitions must go on. Taken in ascending order, released by COMMIT or ROLLBACK.
 */
import type { Queryable } from './connection.ts';

/** "hold" in ASCII: 0x686f6c64. */
export const LOCK_NAMESPACE = 1_752_132_708;

/** $1 integer[] slots, ascending. One row per slot, in order: whether we hold it now. */
const LOCK_SLOTS = {
  name: 'holdfast-lock-slots',
  text: `SELECT slot, pg_try_advisory_xact_lock(${LOCK_NAMESPACE}, slot) FROM unnest($1::integer[]) AS slot`,
};

/** Returns the slots that somebody else holds. */
export async function lockSlots(connection: Queryable, slots: readonly number[]): Promise<Set<number>> {
  const { rows } = await connection.query<LockRow>(LOCK_SLOTS, [slots]);
  return heldSlots(rows);
}

/** A slot, and whether we hold it now. */
export type LockRow = [slot: number, locked: boolean];

export function heldSlots(rows: readonly LockRow[]): Set<number> {
  const held = new Set<number>();
  for (const [slot, locked] of rows) if (!locked) held.add(slot);
  return held;
}
