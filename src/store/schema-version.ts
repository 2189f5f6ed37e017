/** Which migrations the database has; `checkSchema` says whether that is what this version needs. */
import { HoldfastError } from '../contract/errors.ts';
import type { Queryable } from './connection.ts';
import { MIGRATIONS } from './migrations.ts';
import { StoreError } from './store-error.ts';

/** One row, one boolean. to_regclass takes no lock that could queue behind writers. */
const HAS_MIGRATIONS_TABLE = { text: `SELECT to_regclass('holdfast_migrations') IS NOT NULL` };

/** The numbers of the migrations that were run. */
const READ_MIGRATIONS = { text: 'SELECT number FROM holdfast_migrations ORDER BY number' };

/** Numbers of the migrations that were run; empty if there is no schema yet. */
export async function appliedMigrations(connection: Queryable): Promise<Set<number>> {
  const { rows } = await connection.query<[exists: boolean]>(HAS_MIGRATIONS_TABLE);
  if (rows[0]?.[0] !== true) return new Set();
  const applied = await connection.query<[number: number]>(READ_MIGRATIONS);
  return new Set(applied.rows.map(([number]) => number));
}

/** @throws HoldfastError `SCHEMA_OUTDATED` if migrations are missing; StoreError if the database does not answer. */
export async function checkSchema(connection: Queryable): Promise<void> {
  const applied = await appliedMigrations(connection);
  const missing = MIGRATIONS.filter(({ number }) => !applied.has(number));
  if (missing.length === 0) return;
  const names = missing.map(({ name }) => name).join(', ');
  throw new HoldfastError('SCHEMA_OUTDATED', `migrations are missing: ${names}; run holdfast migrate`, {
    scope: 'process',
    retryable: true,
    cause: new StoreError('the schema is not up to date', { failure: 'systemic' }),
  });
}
