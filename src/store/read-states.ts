/** Reads what is known of the objects of a batch, under the slot locks. */
import { varcharArray } from './binary-array.ts';
import type { Queryable } from './connection.ts';
import type { StoredState } from './store.ts';

/**
 * $1 varchar[] ids. A row for each that is known: its number from 1, whether it is live, whether it has a tombstone,
 * version, epoch. Index scans on both primary keys. Both exist only where a writer bypassed Holdfast; the higher
 * version and epoch then count.
 */
const READ_STATES = {
  name: 'holdfast-read-states',
  text: `
    SELECT wanted.number, o.object_id IS NOT NULL, t.object_id IS NOT NULL,
           greatest(o.version, t.version), greatest(o.epoch, t.epoch)
    FROM unnest($1::varchar[]) WITH ORDINALITY AS wanted (id, number)
    LEFT JOIN goverse_objects o ON o.object_id = wanted.id
    LEFT JOIN holdfast_tombstones t ON t.object_id = wanted.id
    WHERE o.object_id IS NOT NULL OR t.object_id IS NOT NULL`,
};

type StateRow = [number: string, live: boolean, tombstone: boolean, version: string, epoch: string];

export async function readStates(
  connection: Queryable,
  ids: readonly string[],
): Promise<Map<string, StoredState>> {
  const { rows } = await connection.query<StateRow>(READ_STATES, [varcharArray(ids)]);
  const states = new Map<string, StoredState>();
  for (const [number, live, tombstone, version, epoch] of rows) {
    const id = ids[Number(number) - 1];
    if (id !== undefined) states.set(id, { live, tombstone, version: Number(version), epoch: Number(epoch) });
  }
  return states;
}
