/**
 * What stands against one statement that may insert as well as update (upsert-objects.ts). Triggers of statements run for
 * both, whatever came of them, and one of rows that runs before an insert may change a row that the same statement has still
 * to update, which PostgreSQL refuses (27000). Rules and foreign tables it does not take, policies make it fail instead of
 * passing a row over. Without a unique index on the id alone, checked at once, or with tables that inherit from this one, an id
 * may have several rows: then the number of rows written says nothing about a single one. And before 15.3 MERGE counts rows
 * that it did not write (release notes of 15.3).
 */
import type { Queryable } from './connection.ts';

/** One row, one boolean. tgtype: 1 for each row, 2 before, 4 on insert, 16 on update (src/include/catalog/pg_trigger.h). */
const HAS_UPSERT_OBSTACLES = {
  text: `
    SELECT current_setting('server_version_num')::integer < 150003
    OR EXISTS (
      SELECT FROM pg_trigger
      WHERE tgrelid = 'goverse_objects'::regclass AND NOT tgisinternal AND tgenabled <> 'D'
        AND (tgtype & 7 = 7 OR (tgtype & 1 = 0 AND tgtype & 20 <> 0))
    ) OR EXISTS (
      SELECT FROM pg_class
      WHERE oid = 'goverse_objects'::regclass
        AND (relhasrules OR relrowsecurity OR relkind NOT IN ('r', 'p') OR (relkind = 'r' AND relhassubclass))
    ) OR EXISTS (
      SELECT FROM pg_partition_tree('goverse_objects'::regclass) JOIN pg_class ON oid = relid
      WHERE relkind NOT IN ('r', 'p')
    ) OR NOT EXISTS (
      SELECT FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
      WHERE indrelid = 'goverse_objects'::regclass AND attname = 'object_id' AND indnkeyatts = 1
        AND indisunique AND indimmediate AND indisvalid AND indpred IS NULL
    )`,
};

export async function hasUpsertObstacles(connection: Queryable): Promise<boolean> {
  const { rows } = await connection.query<[obstacles: boolean]>(HAS_UPSERT_OBSTACLES);
  return rows[0]?.[0] !== false;
}
