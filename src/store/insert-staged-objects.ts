/** Makes absent objects live from staged rows; otherwise as insert-objects. */
import type { Queryable } from './connection.ts';
import { STAGED } from './stage-objects.ts';

/** $1 bytea: what becomes of each staged row, by ord. */
const INSERT_STAGED_OBJECTS = {
  name: 'holdfast-insert-staged-objects',
  text: `
    INSERT INTO goverse_objects (object_id, object_type, data, version, epoch, next_rcseq)
    SELECT s.object_id, s.object_type, s.data, s.version, s.epoch, s.next_rcseq
    FROM pg_temp.holdfast_staging s
    WHERE get_byte($1, s.ord) = ${STAGED.insert}
      AND NOT EXISTS (
        SELECT FROM holdfast_tombstones t
        WHERE t.object_id = s.object_id AND (t.version >= s.version OR t.epoch > s.epoch))`,
};

/** Returns how many rows were inserted. */
export async function insertStagedObjects(connection: Queryable, fates: Buffer): Promise<number> {
  const { count } = await connection.query(INSERT_STAGED_OBJECTS, [fates]);
  return count;
}
