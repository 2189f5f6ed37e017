/** What the user of this connection may do, as far as Holdfast needs it. For tools. */
import type { Queryable } from './connection.ts';

/**
 * $1 text[] names of tables. One row of JSON, whose keys are the properties below. A privilege on a table that does not
 * exist is null, which counts as missing.
 */
const PRIVILEGES = {
  text: `
    SELECT json_build_object(
      'temporary', has_database_privilege(current_database(), 'TEMP'),
      'create', coalesce(has_schema_privilege(current_schema(), 'CREATE'), false),
      'tables', (
        SELECT json_agg(json_build_object(
          'table', wanted.name,
          'exists', c.oid IS NOT NULL,
          'owner', coalesce(pg_has_role(c.relowner, 'USAGE'), false),
          'missing', (
            SELECT coalesce(json_agg(privilege.name), '[]')
            FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS privilege (name)
            WHERE has_table_privilege(c.oid, privilege.name) IS NOT TRUE)
        ) ORDER BY wanted.number)
        FROM unnest($1::text[]) WITH ORDINALITY AS wanted (name, number)
        LEFT JOIN pg_class c ON c.oid = to_regclass(wanted.name)))`,
};

interface TablePrivileges {
  readonly table: string;
  readonly exists: boolean;
  /** Of SELECT, INSERT, UPDATE and DELETE, those that are missing. */
  readonly missing: readonly string[];
  /** ALTER TABLE asks for it. */
  readonly owner: boolean;
}

export interface Privileges {
  readonly tables: readonly TablePrivileges[];
  /** Temporary tables, for COPY of large batches. */
  readonly temporary: boolean;
  /** New tables, for migrations. */
  readonly create: boolean;
}

/** @throws StoreError */
export async function readPrivileges(connection: Queryable, tables: readonly string[]): Promise<Privileges> {
  const { rows } = await connection.query<[privileges: Privileges]>(PRIVILEGES, [tables]);
  const [privileges] = rows[0] ?? [];
  if (privileges === undefined) throw new TypeError('the server says nothing of privileges');
  return privileges;
}
