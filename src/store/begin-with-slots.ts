/**
 * Begins a transaction and takes its slot locks, as lock-slots does, in one round trip: two statements in one text, so
 * that what is read behind them is a statement of its own, with a snapshot taken under the locks.
 */
import type { Queryable } from './connection.ts';
import { heldSlots, LOCK_NAMESPACE, type LockRow } from './lock-slots.ts';

/** Numbers from 0 to 63 need no quoting, and two statements can have no parameters. */
const beginWithSlotsText = (slots: readonly number[]): string => `
  BEGIN;
  SELECT slot, pg_try_advisory_xact_lock(${LOCK_NAMESPACE}, slot)
  FROM unnest(ARRAY[${slots.join(', ')}]::integer[]) AS slot`;

/** Returns the slots that somebody else holds. */
export async function beginWithSlots(
  connection: Queryable,
  slots: readonly number[],
): Promise<ReadonlySet<number>> {
  const { rows } = await connection.query<LockRow>({ text: beginWithSlotsText(slots) });
  return heldSlots(rows);
}
