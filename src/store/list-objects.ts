/** Lists live objects of one type in byte order of their ids, so that pages are the same whatever the collation is. */
import type { Queryable } from './connection.ts';
import type { ListWanted, LoadedObject } from './store.ts';

/** $1 type, $2 id to start behind ('' is before all), $3 limit. */
const LIST_OBJECTS = {
  name: 'holdfast-list-objects',
  text: `
    SELECT o.object_id, o.version, o.epoch, o.next_rcseq, NULL
    FROM goverse_objects o
    WHERE o.object_type = $1 AND o.object_id COLLATE "C" > $2
    ORDER BY o.object_id COLLATE "C"
    LIMIT $3`,
};

/**
 * As above with documents, up to $4 bytes of them as they are stored, and at least one. What is stored may be compressed:
 * to know how long the texts are, all of them would have to be rendered.
 */
const LIST_DOCUMENTS = {
  name: 'holdfast-list-documents',
  text: `
    SELECT object_id, version, epoch, next_rcseq, data::text
    FROM (
      SELECT page.*, sum(pg_column_size(data)) OVER here AS bytes, row_number() OVER here AS number
      FROM (
        SELECT o.object_id, o.version, o.epoch, o.next_rcseq, o.data
        FROM goverse_objects o
        WHERE o.object_type = $1 AND o.object_id COLLATE "C" > $2
        ORDER BY o.object_id COLLATE "C"
        LIMIT $3
      ) page
      WINDOW here AS (ORDER BY object_id COLLATE "C" ROWS UNBOUNDED PRECEDING)
    ) counted
    WHERE number = 1 OR bytes <= $4
    ORDER BY object_id COLLATE "C"`,
};

type ListRow = [id: string, version: string, epoch: string, nextRcseq: string, document: string | null];

export async function listObjects(connection: Queryable, wanted: ListWanted): Promise<LoadedObject[]> {
  const { type, after = '', limit, documents, storedBytesMax = Number.MAX_SAFE_INTEGER } = wanted;
  const { rows } = documents
    ? await connection.query<ListRow>(LIST_DOCUMENTS, [type, after, limit, storedBytesMax])
    : await connection.query<ListRow>(LIST_OBJECTS, [type, after, limit]);
  return rows.map(([id, version, epoch, nextRcseq, document]) => ({
    id,
    live: true,
    version: Number(version),
    epoch: Number(epoch),
    type,
    nextRcseq: Number(nextRcseq),
    document: document ?? undefined,
  }));
}
