/** Which migrations the database has and lacks, for tools; the worker asks `checkSchema`. */
import type { Queryable } from './connection.ts';
import { MIGRATIONS, type Migration } from './migrations.ts';
import { appliedMigrations } from './schema-version.ts';

/** The migrations of this version that were not run yet, in order. @throws StoreError */
export async function missingMigrations(connection: Queryable): Promise<Migration[]> {
  const applied = await appliedMigrations(connection);
  return MIGRATIONS.filter(({ number }) => !applied.has(number));
}

/** What the database's schema is to this version. */
export interface SchemaState {
  /** Migrations that were run, those of newer versions included. */
  readonly applied: number;
  readonly missing: readonly string[];
  /** Numbers that this version does not know: a newer version was here. */
  readonly unknown: readonly number[];
}

/** @throws StoreError */
export async function readSchemaState(connection: Queryable): Promise<SchemaState> {
  const applied = await appliedMigrations(connection);
  const known = new Set(MIGRATIONS.map(({ number }) => number));
  return {
    applied: applied.size,
    missing: MIGRATIONS.filter(({ number }) => !applied.has(number)).map(({ name }) => name),
    unknown: [...applied].filter((number) => !known.has(number)),
  };
}
