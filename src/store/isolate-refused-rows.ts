/**
 * Writes one pass of changes inside the open transaction as `applyChanges` does, but goes on past the rows that the
 * database refuses and names them. Where nothing rests on those, the others stay written; else the transaction is to be
 * rolled back and the batch decided anew.
 */
import { applyChanges } from './apply-changes.ts';
import { compareContents } from './compare-contents.ts';
import type { Connection } from './connection.ts';
import {
  type Changes,
  type ContentQuestion,
  type ObjectRow,
  type RefusedRow,
  RowsRefusedError,
  type WriteDecision,
  type WriteResult,
  type WrittenRow,
} from './store.ts';
import { isGuardMiss } from './store-error.ts';
import { DELETES, DOCUMENTS, EPOCHS, INSERTS, tryRows, UPDATES } from './try-rows.ts';

/** Constraints that are otherwise only checked at the commit, where no row is named. */
export const CHECK_AT_ONCE = { text: 'SET CONSTRAINTS ALL IMMEDIATE' };

/**
 * Returns how many objects were inserted, updated or deleted, and the refused rows, on which nothing rests.
 *
 * Where the newest write of a fold is refused, the next older one would take its place in the next attempt, and so on,
 * one attempt for each. So all of them are tried at once, and those that would have been refused one after the other
 * are refused together.
 *
 * @throws RowsRefusedError if something rests on a refused row, or if all are refused, which may be the fault of none of
 *   them; the transaction is then to be rolled back.
 */
export async function isolateRefusedRows(
  connection: Connection,
  changes: Changes,
  { passes, older, isAlone }: WriteDecision,
): Promise<Pick<WriteResult, 'rows' | 'refused'>> {
  const { inserts, updates, deletes, epochs } = changes;
  const refusedDeletes = await tryRows(connection, DELETES, deletes, true);
  const refusedInserts = await tryRows(connection, INSERTS, inserts, true);
  const refusedUpdates = await tryRows(connection, UPDATES, updates, true);
  const refusedEpochs = await tryRows(connection, EPOCHS, epochs, true);
  const refused = [...refusedDeletes, ...refusedInserts, ...refusedUpdates, ...refusedEpochs];
  const count = inserts.length + updates.length + deletes.length;
  const rows = count - refused.length + refusedEpochs.length;
  // A guard that stopped a row may let it through the next time.
  const isKept =
    passes.length === 1 && rows > 0 && refused.every(({ row, error }) => isAlone(row) && !isGuardMiss(error));
  if (refused.length === 0 || isKept) {
    const gone = new Set(refused.map(({ row }) => row.id));
    const rest = {
      inserts: [],
      updates: [],
      deletes: [],
      epochs: [],
      tombstones: changes.tombstones,
      claims: changes.claims.filter(({ id }) => !gone.has(id)),
      revived: changes.revived.filter((id) => !gone.has(id)),
    };
    await applyChanges(connection, rest, new Map());
    return { rows, refused };
  }
  const olderInserts = refusedInserts.map(({ row }) => older(row));
  const olderUpdates = [...refusedDeletes, ...refusedUpdates].map(({ row }) => older(row));
  const triedUpdates = olderUpdates.flat().map((row) => ({ row, recreated: false }));
  const substitutes = untilAccepted(
    [...olderInserts, ...olderUpdates],
    [
      ...(await tryRows(connection, INSERTS, olderInserts.flat(), false)),
      ...(await tryRows(connection, UPDATES, triedUpdates, false)),
    ],
  );
  throw new RowsRefusedError(
    [...refused, ...substitutes.refused],
    count - refused.length + substitutes.acceptedCount,
  );
}

/** Of each group what is refused before the first row that is not; how many groups have such a row. */
function untilAccepted(
  groups: readonly (readonly ObjectRow[])[],
  tried: readonly RefusedRow[],
): { refused: RefusedRow[]; acceptedCount: number } {
  const byRow = new Map<WrittenRow, RefusedRow>(tried.map((one) => [one.row, one]));
  const refused: RefusedRow[] = [];
  let acceptedCount = 0;
  for (const group of groups) {
    for (const row of group) {
      const refusal = byRow.get(row);
      if (refusal === undefined) {
        acceptedCount += 1;
        break;
      }
      refused.push(refusal);
    }
  }
  return { refused, acceptedCount };
}

/**
 * As `compareContents`, but names the documents that cannot even be read: of a pair, the one at fault.
 *
 * @throws RowsRefusedError if there are any.
 */
export async function isolateQuestions(
  connection: Connection,
  questions: readonly ContentQuestion[],
): Promise<Map<object, boolean>> {
  const rows = new Set<ObjectRow>();
  for (const { row, against } of questions) {
    rows.add(row);
    if (against !== 'stored') rows.add(against);
  }
  const documents = [...rows];
  const refused = await tryRows(connection, DOCUMENTS, documents, true);
  if (refused.length > 0) throw new RowsRefusedError(refused, documents.length - refused.length);
  return await compareContents(connection, questions);
}
