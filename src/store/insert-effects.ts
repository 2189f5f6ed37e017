/**
 * Whether an upsert that comes to an update does more to the table than an update does. Before PostgreSQL looks for a row of
 * that key it has made a new one, with all defaults, checked it, and run what triggers there are BEFORE INSERT on rows. With
 * our columns alone nobody sees that; with columns and triggers that somebody added, sequences would be used up, updates
 * counted as inserts, and rows refused for a value that only a new object needs.
 */
import type { Queryable } from './connection.ts';

/** One row, one boolean. tgtype: 1 for each row, 2 before, 4 on insert (src/include/catalog/pg_trigger.h). */
const HAS_INSERT_EFFECTS = {
  text: `
    SELECT EXISTS (
      SELECT FROM pg_trigger
      WHERE tgrelid = 'goverse_objects'::regclass AND NOT tgisinternal AND tgenabled <> 'D' AND tgtype & 7 = 7
    ) OR EXISTS (
      SELECT FROM pg_attribute
      WHERE attrelid = 'goverse_objects'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
        AND (attnotnull OR atthasdef OR attidentity <> '')
        AND attname NOT IN
          ('object_id', 'object_type', 'data', 'next_rcseq', 'created_at', 'updated_at', 'version', 'epoch'))`,
};

export async function hasInsertEffects(connection: Queryable): Promise<boolean> {
  const { rows } = await connection.query<[effects: boolean]>(HAS_INSERT_EFFECTS);
  return rows[0]?.[0] !== false;
}
