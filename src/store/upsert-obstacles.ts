/**
 * What stands against an upsert for what mostly comes to an update. Before PostgreSQL looks for a row of that key it has made
 * a new one, with all defaults, checked it, and run what triggers there are BEFORE INSERT on rows; those of statements run
 * for both, whatever came of them. With our columns alone nobody sees that; with columns, triggers, rules and policies
 * that somebody added, sequences would be used up, updates counted as inserts, and rows refused for what only a new object
 * needs. And it needs a unique index on the id alone, checked at once, where plain statements do without.
 */
import type { Queryable } from './connection.ts';

/**
 * One row, one boolean. tgtype: 1 for each row, 2 before, 4 on insert, 16 on update (src/include/catalog/pg_trigger.h).
 */
const HAS_UPSERT_OBSTACLES = {
  text: `
    SELECT EXISTS (
      SELECT FROM pg_trigger
      WHERE tgrelid = 'goverse_objects'::regclass AND NOT tgisinternal AND tgenabled <> 'D'
        AND (tgtype & 7 = 7 OR (tgtype & 1 = 0 AND tgtype & 20 <> 0))
    ) OR EXISTS (
      SELECT FROM pg_class WHERE oid = 'goverse_objects'::regclass AND (relhasrules OR relrowsecurity)
    ) OR NOT EXISTS (
      SELECT FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
      WHERE indrelid = 'goverse_objects'::regclass AND attname = 'object_id' AND indnkeyatts = 1
        AND indisunique AND indimmediate AND indisvalid AND indpred IS NULL
    ) OR EXISTS (
      SELECT FROM pg_attribute
      WHERE attrelid = 'goverse_objects'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
        AND (attnotnull OR atthasdef OR attidentity <> '')
        AND attname NOT IN
          ('object_id', 'object_type', 'data', 'next_rcseq', 'created_at', 'updated_at', 'version', 'epoch'))`,
};

export async function hasUpsertObstacles(connection: Queryable): Promise<boolean> {
  const { rows } = await connection.query<[obstacles: boolean]>(HAS_UPSERT_OBSTACLES);
  return rows[0]?.[0] !== false;
}
