/**
 * What stands against one statement that may insert as well as update. Triggers of statements run for both, whatever came of
 * them; with rules PostgreSQL refuses it; and policies that would hide a row from an UPDATE make it fail.
 */
import type { Queryable } from './connection.ts';

/**
 * One row, one boolean. tgtype: 1 for each row, 4 on insert, 16 on update (src/include/catalog/pg_trigger.h).
 */
const HAS_UPSERT_OBSTACLES = {
  text: `
    SELECT EXISTS (
      SELECT FROM pg_trigger
      WHERE tgrelid = 'goverse_objects'::regclass AND NOT tgisinternal AND tgenabled <> 'D'
        AND tgtype & 1 = 0 AND tgtype & 20 <> 0
    ) OR EXISTS (
      SELECT FROM pg_class WHERE oid = 'goverse_objects'::regclass AND (relhasrules OR relrowsecurity)
    )`,
};

export async function hasUpsertObstacles(connection: Queryable): Promise<boolean> {
  const { rows } = await connection.query<[obstacles: boolean]>(HAS_UPSERT_OBSTACLES);
  return rows[0]?.[0] !== false;
}
