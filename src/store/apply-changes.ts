/**
 * Writes one pass of changes inside the open transaction, statement by statement, and checks that every row went
 * through its guard. Isolating, it finds the rows that the database refuses by halving under savepoints.
 */
import type { Connection } from './connection.ts';
import { deleteObjects } from './delete-objects.ts';
import { insertClaims } from './insert-claims.ts';
import { insertObjects } from './insert-objects.ts';
import { insertStagedObjects } from './insert-staged-objects.ts';
import { checkMissingColumn } from './missing-column.ts';
import { raiseEpochs } from './raise-epochs.ts';
import { removeTombstones } from './remove-tombstones.ts';
import { STAGED } from './stage-objects.ts';
import type { Changes, ObjectRow, RefusedRow, UpdateRow, WrittenRow } from './store.ts';
import { isGuardMiss, StoreError, toStoreError } from './store-error.ts';
import { updateObjects } from './update-objects.ts';
import { updateStagedObjects } from './update-staged-objects.ts';
import { upsertTombstones } from './upsert-tombstones.ts';

/** The rows that lie in the temporary table, with their `ord`; empty if none was staged. */
export type Staged = ReadonlyMap<ObjectRow, number>;

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

/**
 * A guard stopped a row although the decision was made under the locks: a writer who bypasses Holdfast changed it in
 * between. Decided anew from what is stored now, the batch comes to its right outcome.
 */
function expectAll(expected: number, count: number): void {
  if (count === expected) return;
  throw new StoreError(`${expected - count} of ${expected} rows were changed by somebody else meanwhile`, {
    failure: 'contended',
  });
}

const SAVEPOINT = { text: 'SAVEPOINT isolate' };
const RELEASE = { text: 'RELEASE SAVEPOINT isolate' };
const ROLLBACK_TO = { text: 'ROLLBACK TO SAVEPOINT isolate' };

/** Constraints that are otherwise only checked at the commit, where no row is named. */
export const CHECK_AT_ONCE = { text: 'SET CONSTRAINTS ALL IMMEDIATE' };

/**
 * As `applyChanges`, but goes on past refused rows and returns them; if there are any, the transaction is to be rolled
 * back.
 */
export async function isolateRefusedRows(connection: Connection, changes: Changes): Promise<RefusedRow[]> {
  const none: Changes = {
    inserts: [],
    updates: [],
    deletes: [],
    tombstones: [],
    epochs: [],
    claims: [],
    revived: [],
  };
  const refused: RefusedRow[] = [];
  const apply = (part: Partial<Changes>) => applyChanges(connection, { ...none, ...part }, new Map());
  await halve(
    connection,
    changes.deletes,
    (deletes) => apply({ deletes }),
    refused,
    (row) => row,
  );
  await halve(
    connection,
    changes.inserts,
    (inserts) => apply({ inserts }),
    refused,
    (row) => row,
  );
  await halve(
    connection,
    changes.updates,
    (updates) => apply({ updates }),
    refused,
    ({ row }) => row,
  );
  await halve(
    connection,
    changes.epochs,
    (epochs) => apply({ epochs }),
    refused,
    (row) => row,
  );
  const { tombstones, claims, revived } = changes;
  await apply({ tombstones, claims, revived });
  return refused;
}

/** Applies all items but those that are refused, which it adds to `refused`. */
export async function halve<Item>(
  connection: Connection,
  items: readonly Item[],
  apply: (items: Item[]) => Promise<unknown>,
  refused: RefusedRow[],
  rowOf: (item: Item) => WrittenRow,
): Promise<void> {
  if (items.length === 0) return;
  await connection.query(SAVEPOINT);
  try {
    await apply([...items]);
    await connection.query(RELEASE);
    return;
  } catch (error) {
    const storeError = toStoreError(error);
    if (storeError.failure !== 'row' && !isGuardMiss(storeError)) throw storeError;
    await connection.query(ROLLBACK_TO);
    const [first] = items;
    if (items.length === 1 && first !== undefined) {
      await checkMissingColumn(connection, storeError);
      refused.push({ row: rowOf(first), error: storeError });
      return;
    }
  }
  const middle = Math.ceil(items.length / 2);
  await halve(connection, items.slice(0, middle), apply, refused, rowOf);
  await halve(connection, items.slice(middle), apply, refused, rowOf);
}
