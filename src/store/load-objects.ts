/** Reads objects by id: the live row, or what its tombstone still knows. */
import { booleanArray, varcharArray } from './binary-array.ts';
import type { Queryable } from './connection.ts';
import type { LoadBounds, LoadedObject, LoadWanted } from './store.ts';

/**
 * $1 varchar[] ids, $2 boolean[] whether the document is wanted, $3 most bytes of documents together, $4 of one. A row for
 * each that is known, by number from 1, with the bytes of its document if it was rendered; and the document, if it is not
 * too large by itself, nor too much together with those before it. At least one document is always returned.
 *
 * Both sums are needed: what is stored may be compressed a hundredfold, and what is rendered is known only after the
 * work of rendering it. The sums run in whatever order the rows come, so that nothing has to be sorted. OFFSET 0 keeps the
 * planner from rendering a document once for each mention.
 */
const LOAD_OBJECTS = {
  name: 'holdfast-load-objects',
  text: `
    SELECT number, object_type, version, epoch, next_rcseq, bytes,
           CASE WHEN bytes_so_far <= $3 OR bytes_so_far = bytes THEN document END
    FROM (
      SELECT stored.*, rendered.bytes, fitting.document,
             sum(octet_length(fitting.document)) OVER (ROWS UNBOUNDED PRECEDING) AS bytes_so_far
      FROM (
        SELECT wanted.number, o.object_type, greatest(o.version, t.version) AS version,
               greatest(o.epoch, t.epoch) AS epoch, o.next_rcseq, o.data, wanted.document AS wanted,
               pg_column_size(o.data) AS stored_bytes,
               sum(CASE WHEN wanted.document THEN pg_column_size(o.data) END) OVER (ROWS UNBOUNDED PRECEDING)
                 AS stored_bytes_so_far
        FROM unnest($1::varchar[], $2::boolean[]) WITH ORDINALITY AS wanted (id, document, number)
        LEFT JOIN goverse_objects o ON o.object_id = wanted.id
        LEFT JOIN holdfast_tombstones t ON t.object_id = wanted.id
        WHERE o.object_id IS NOT NULL OR t.object_id IS NOT NULL
      ) stored
      LEFT JOIN LATERAL (
        SELECT text, octet_length(text) AS bytes
        FROM (
          SELECT CASE WHEN stored.wanted AND (stored_bytes_so_far <= $3 OR stored_bytes_so_far = stored_bytes)
                   THEN stored.data::text END AS text
          OFFSET 0
        ) once
        OFFSET 0
      ) rendered ON true
      LEFT JOIN LATERAL (
        SELECT CASE WHEN rendered.bytes <= $4 THEN rendered.text END AS document OFFSET 0
      ) fitting ON true
    ) bounded`,
};

type LoadRow = [
  number: string,
  type: string | null,
  version: string,
  epoch: string,
  nextRcseq: string | null,
  bytes: number | null,
  document: string | null,
];

const UNBOUNDED: LoadBounds = {
  bytesMax: Number.MAX_SAFE_INTEGER,
  documentBytesMax: 2 ** 31 - 1,
};

/** One result for each wanted, in order. */
export async function loadObjects(
  connection: Queryable,
  wanted: readonly LoadWanted[],
  { bytesMax, documentBytesMax } = UNBOUNDED,
): Promise<LoadedObject[]> {
  const { rows } = await connection.query<LoadRow>(LOAD_OBJECTS, [
    varcharArray(wanted.map(({ id }) => id)),
    booleanArray(wanted.map(({ document }) => document)),
    bytesMax,
    documentBytesMax,
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
      lacks: undefined,
    }),
  );
  for (const [number, type, version, epoch, nextRcseq, bytes, document] of rows) {
    const index = Number(number) - 1;
    const live = type !== null;
    const isComplete = !live || document !== null || wanted[index]?.document !== true;
    objects[index] = {
      id: wanted[index]?.id ?? '',
      live,
      version: Number(version),
      epoch: Number(epoch),
      type: type ?? undefined,
      nextRcseq: nextRcseq === null ? undefined : Number(nextRcseq),
      document: document ?? undefined,
      lacks: isComplete ? undefined : lackOf(bytes, documentBytesMax),
    };
  }
  return objects;
}

function lackOf(bytes: number | null, documentBytesMax: number): 'room' | 'size' {
  return bytes !== null && bytes > documentBytesMax ? 'size' : 'room';
}
