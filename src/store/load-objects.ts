/** Reads objects by id: the live row, or what its tombstone still knows. */
import { booleanArray, varcharArray } from './binary-array.ts';
import type { Queryable } from './connection.ts';
import type { LoadedObject, LoadWanted } from './store.ts';

/** $1 varchar[] ids, $2 boolean[] whether the document is wanted. A row for each that is known, by number from 1. */
const LOAD_OBJECTS = {
  name: 'holdfast-load-objects',
  text: `
    SELECT wanted.number, o.object_type, greatest(o.version, t.version), greatest(o.epoch, t.epoch), o.next_rcseq,
           CASE WHEN wanted.document THEN o.data::text END
    FROM unnest($1::varchar[], $2::boolean[]) WITH ORDINALITY AS wanted (id, document, number)
    LEFT JOIN goverse_objects o ON o.object_id = wanted.id
    LEFT JOIN holdfast_tombstones t ON t.object_id = wanted.id
    WHERE o.object_id IS NOT NULL OR t.object_id IS NOT NULL`,
};

type LoadRow = [
  number: string,
  type: string | null,
  version: string,
  epoch: string,
  nextRcseq: string | null,
  document: string | null,
];

/** One result for each wanted, in order. */
export async function loadObjects(
  connection: Queryable,
  wanted: readonly LoadWanted[],
): Promise<LoadedObject[]> {
  const { rows } = await connection.query<LoadRow>(LOAD_OBJECTS, [
    varcharArray(wanted.map(({ id }) => id)),
    booleanArray(wanted.map(({ document }) => document)),
  ]);
  const objects = wanted.map(
    ({ id }): LoadedObject => ({
      id,
      live: false,
      version: 0,
      epoch: 0,
      type: undefined,
      nextRcseq: undefined,
      document: undefined,
    }),
  );
  for (const [number, type, version, epoch, nextRcseq, document] of rows) {
    const index = Number(number) - 1;
    objects[index] = {
      id: wanted[index]?.id ?? '',
      live: type !== null,
      version: Number(version),
      epoch: Number(epoch),
      type: type ?? undefined,
      nextRcseq: nextRcseq === null ? undefined : Number(nextRcseq),
      document: document ?? undefined,
    };
  }
  return objects;
}
