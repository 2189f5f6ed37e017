/**
 * Writes one pass of changes inside the open transaction as `applyChanges` does, but goes on past the rows that the
 * database refuses and names them. What is written is rolled back if there are any: the batch is decided anew.
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
  type WrittenRow,
} from './store.ts';
import { DELETES, DOCUMENTS, EPOCHS, INSERTS, tryRows, UPDATES } from './try-rows.ts';

/** Constraints that are otherwise only checked at the commit, where no row is named. */
export const CHECK_AT_ONCE = { text: 'SET CONSTRAINTS ALL IMMEDIATE' };

/**
 * Where the newest write of a fold is refused, the next older one would take its place in the next attempt, and so on,
 * one attempt for each. So all of them are tried at once, and those that would have been refused one after the other
 * are refused together.
 *
 * @param older the writes that would take the place of a row, next first.
 * @throws RowsRefusedError if rows are refused; the transaction is then to be rolled back.
 */
export async function isolateRefusedRows(
  connection: Connection,
  changes: Changes,
  older: (row: WrittenRow) => readonly ObjectRow[],
): Promise<void> {
  const { inserts, updates, deletes, epochs } = changes;
  const refusedDeletes = await tryRows(connection, DELETES, deletes, true);
  const refusedInserts = await tryRows(connection, INSERTS, inserts, true);
  const refusedUpdates = await tryRows(connection, UPDATES, updates, true);
  const refusedEpochs = await tryRows(connection, EPOCHS, epochs, true);
  const refused = [...refusedDeletes, ...refusedInserts, ...refusedUpdates, ...refusedEpochs];
  const count = inserts.length + updates.length + deletes.length;
  if (refused.length === 0) {
    const { tombstones, claims, revived } = changes;
    const none = { inserts: [], updates: [], deletes: [], epochs: [] };
    await applyChanges(connection, { ...none, tombstones, claims, revived }, new Map());
    return;
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
