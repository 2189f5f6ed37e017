/** How many rows and bytes the tables have, as PostgreSQL's statistics know it: at once, whatever their size. For tools. */
import type { Queryable } from './connection.ts';

/**
 * $1 text[] names. A row for each table that exists. `n_live_tup` follows every write, but begins at 0 when the statistics
 * are lost (a crash of the server); `reltuples` is as old as the last vacuum, and -1 before the first.
 */
const TABLE_COUNTS = {
  text: `
    SELECT wanted.name, CASE WHEN s.n_live_tup > 0 THEN s.n_live_tup ELSE greatest(c.reltuples, 0)::bigint END,
           pg_total_relation_size(c.oid)
    FROM unnest($1::text[]) WITH ORDINALITY AS wanted (name, number)
    JOIN pg_class c ON c.oid = to_regclass(wanted.name)
    LEFT JOIN pg_stat_user_tables s ON s.relid = c.oid
    ORDER BY wanted.number`,
};

/** The tables that hold objects and what is known of them. */
export const OBJECT_TABLES = ['goverse_objects', 'holdfast_tombstones', 'holdfast_claims'] as const;

export interface TableCount {
  readonly table: string;
  /** An estimate. */
  readonly rows: number;
  /** With indexes and TOAST. */
  readonly bytes: number;
}

/** Tables that do not exist are missing. @throws StoreError */
export async function readTableCounts(
  connection: Queryable,
  tables: readonly string[] = OBJECT_TABLES,
): Promise<TableCount[]> {
  const { rows } = await connection.query<[table: string, count: string, bytes: string]>(TABLE_COUNTS, [
    tables,
  ]);
  return rows.map(([table, count, bytes]) => ({ table, rows: Number(count), bytes: Number(bytes) }));
}
