/**
 * Gives one object another version, under its slot lock as every writer: nothing can come in between, and nothing that
 * was begun under the old version is written behind it. For tools, after a writer has used a version far ahead of time.
 */
import { lockSlotOf, shardOf } from '../contract/partition.ts';
import type { Connection } from './connection.ts';
import { setVersion } from './set-version.ts';
import { waitForSlot } from './wait-for-slot.ts';

/**
 * Returns whether it was done; not if the version was not `from` any more.
 *
 * @throws StoreError, of class `contended` if the slot was held for longer than `lock_timeout`.
 */
export async function resetVersion(
  connection: Connection,
  id: string,
  from: number,
  to: number,
): Promise<boolean> {
  await connection.query({ text: 'BEGIN' });
  try {
    await waitForSlot(connection, lockSlotOf(shardOf(id)));
    const done = await setVersion(connection, id, from, to);
    await connection.query({ text: 'COMMIT' });
    return done;
  } catch (error) {
    if (connection.usable) await connection.query({ text: 'ROLLBACK' });
    throw error;
  }
}
