/**
 * Writes one pass of changes inside the open transaction, statement by statement, and checks that every row went
 * through its guard.
 */
import type { Connection } from './connection.ts';
import { deleteObjects } from './delete-objects.ts';
import { insertClaims } from './insert-claims.ts';
import { insertObjects } from './insert-objects.ts';
import { insertStagedObjects } from './insert-staged-objects.ts';
import { raiseEpochs } from './raise-epochs.ts';
import { removeTombstones } from './remove-tombstones.ts';
import { STAGED } from './stage-objects.ts';
import type { Changes, ObjectRow, UpdateRow } from './store.ts';
import { guardMiss } from './store-error.ts';
import { updateObjects } from './update-objects.ts';
import { updateStagedObjects } from './update-staged-objects.ts';
import { upsertTombstones } from './upsert-tombstones.ts';

/** The rows that lie in the temporary table, with their `ord`; empty if none was staged. */
export type Staged = ReadonlyMap<ObjectRow, number>;
export const NOTHING_STAGED: Staged = new Map();

/** Returns how many objects were inserted, updated or deleted; throws `StoreError`. */
export async function applyChanges(
  connection: Connection,
  changes: Changes,
  staged: Staged,
): Promise<number> {
  const { inserts, updates, deletes } = changes;
  if (deletes.length > 0) expectAll(deletes.length, await deleteObjects(connection, deletes));
  const tombstones = [...deletes, ...changes.tombstones];
  if (tombstones.length > 0) expectAll(tombstones.length, await upsertTombstones(connection, tombstones));
  const [ownInserts, ownUpdates] = await applyStaged(connection, changes, staged);
  if (ownInserts.length > 0) expectAll(ownInserts.length, await insertObjects(connection, ownInserts));
  if (ownUpdates.length > 0) expectAll(ownUpdates.length, await updateObjects(connection, ownUpdates));
  if (changes.epochs.length > 0) {
    expectAll(changes.epochs.length, await raiseEpochs(connection, changes.epochs));
  }
  if (changes.revived.length > 0) await removeTombstones(connection, changes.revived);
  if (changes.claims.length > 0) await insertClaims(connection, changes.claims);
  return inserts.length + updates.length + deletes.length;
}

/** Writes what was staged; returns the inserts and updates that were not. */
async function applyStaged(
  connection: Connection,
  { inserts, updates }: Changes,
  staged: Staged,
): Promise<[readonly ObjectRow[], readonly UpdateRow[]]> {
  if (staged.size === 0) return [inserts, updates];
  const fates = Buffer.alloc(staged.size, STAGED.ignore);
  let insertCount = 0;
  let updateCount = 0;
  const ownInserts = inserts.filter((row) => {
    const ord = staged.get(row);
    if (ord === undefined) return true;
    fates[ord] = STAGED.insert;
    insertCount += 1;
    return false;
  });
  const ownUpdates = updates.filter(({ row, recreated }) => {
    const ord = staged.get(row);
    if (ord === undefined) return true;
    fates[ord] = recreated ? STAGED.recreate : STAGED.update;
    updateCount += 1;
    return false;
  });
  if (insertCount > 0) expectAll(insertCount, await insertStagedObjects(connection, fates));
  if (updateCount > 0) expectAll(updateCount, await updateStagedObjects(connection, fates));
  return [ownInserts, ownUpdates];
}

/** @throws StoreError of class `contended` if a guard stopped some of them. */
function expectAll(expected: number, count: number): void {
  if (count !== expected) throw guardMiss(expected - count, expected);
}
