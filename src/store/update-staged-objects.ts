/** Gives live objects a new state from staged rows; otherwise as update-objects. */
import type { Queryable } from './connection.ts';
import { STAGED } from './stage-objects.ts';

/** $1 bytea: what becomes of each staged row, by ord. */
const UPDATE_STAGED_OBJECTS = {
  name: 'holdfast-update-staged-objects',
  text: `
    UPDATE goverse_objects o
    SET object_type = s.object_type, data = s.data, version = s.version, epoch = s.epoch,
        next_rcseq = CASE WHEN get_byte($1, s.ord) = ${STAGED.recreate}
          THEN s.next_rcseq ELSE greatest(o.next_rcseq, s.next_rcseq) END,
        created_at = CASE WHEN get_byte($1, s.ord) = ${STAGED.recreate}
          THEN CURRENT_TIMESTAMP ELSE o.created_at END,
        updated_at = CURRENT_TIMESTAMP
    FROM pg_temp.holdfast_staging s
    WHERE get_byte($1, s.ord) >= ${STAGED.update}
      AND o.object_id = s.object_id AND o.epoch <= s.epoch AND o.version < s.version`,
};

/** Returns how many rows were updated. */
export async function updateStagedObjects(connection: Queryable, fates: Buffer): Promise<number> {
  const { count } = await connection.query(UPDATE_STAGED_OBJECTS, [fates]);
  return count;
}
