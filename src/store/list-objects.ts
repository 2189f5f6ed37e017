/** Lists live objects of one type in byte order of their ids, so that pages are the same whatever the collation is. */
import type { Queryable } from './connection.ts';
import type { ListWanted, LoadedObject } from './store.ts';

/** $1 type, $2 id to start behind ('' is before all), $3 limit, $4 whether documents are wanted. */
const LIST_OBJECTS = {
  name: 'holdfast-list-objects',
  text: `
    SELECT o.object_id, o.version, o.epoch, o.next_rcseq, CASE WHEN $4::boolean THEN o.data::text END
    FROM goverse_objects o
    WHERE o.object_type = $1 AND o.object_id COLLATE "C" > $2
    ORDER BY o.object_id COLLATE "C"
    LIMIT $3`,
};

type ListRow = [id: string, version: string, epoch: string, nextRcseq: string, document: string | null];

export async function listObjects(connection: Queryable, wanted: ListWanted): Promise<LoadedObject[]> {
  const { rows } = await connection.query<ListRow>(LIST_OBJECTS, [
    wanted.type,
    wanted.after ?? '',
    wanted.limit,
    wanted.documents,
  ]);
  return rows.map(([id, version, epoch, nextRcseq, document]) => ({
    id,
    live: true,
    version: Number(version),
    epoch: Number(epoch),
    type: wanted.type,
    nextRcseq: Number(nextRcseq),
    document: document ?? undefined,
  }));
}
