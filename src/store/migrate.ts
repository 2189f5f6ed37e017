/**
 * Brings the schema to what this version needs, from nothing, from a table that Goverse made, or from an older
 * version. Any number of processes may do it at once.
 */
import { Connection, type ConnectionOptions } from './connection.ts';
import { LOCK_NAMESPACE } from './lock-slots.ts';
import { MIGRATIONS, type Migration } from './migrations.ts';
import { appliedMigrations } from './schema-version.ts';
import { toStoreError } from './store-error.ts';

/** A slot of its own behind the 64 lock slots of the shards. */
const MIGRATION_LOCK = { text: `SELECT pg_advisory_xact_lock(${LOCK_NAMESPACE}, 64)` };

const CREATE_MIGRATIONS_TABLE = {
  text: `
    CREATE TABLE IF NOT EXISTS holdfast_migrations (
      number     INTEGER     PRIMARY KEY,
      name       TEXT        NOT NULL,
      applied_at TIMESTAMPTZ NOT NULL DEFAULT now()
    )`,
};

/** $1 number, $2 name. */
const RECORD_MIGRATION = { text: 'INSERT INTO holdfast_migrations (number, name) VALUES ($1, $2)' };

/**
 * Runs the migrations that are missing, each in a transaction of its own, and returns them. With nothing to do it
 * takes no lock at all, not even the advisory one.
 *
 * ALTER TABLE waits at most `lockTimeoutMs` for writers, so that it cannot hold up those that queue behind it.
 *
 * @throws StoreError, of class `contended` if writers did not let it in.
 */
export async function migrate(
  options: ConnectionOptions,
  onMigration?: (migration: Migration) => void,
): Promise<Migration[]> {
  const connection = await Connection.open({ ...options, statementTimeoutMs: MIGRATION_TIMEOUT_MS });
  try {
    const applied = await appliedMigrations(connection);
    const ran: Migration[] = [];
    for (const migration of MIGRATIONS.filter(({ number }) => !applied.has(number))) {
      if (await runOnce(connection, migration)) {
        ran.push(migration);
        onMigration?.(migration);
      }
    }
    return ran;
  } catch (error) {
    throw toStoreError(error);
  } finally {
    await connection.close();
  }
}

/** Building an index on a large adopted table takes minutes; an hour bounds it. */
const MIGRATION_TIMEOUT_MS = 3_600_000;

/** Returns whether it ran here; another process may have been quicker. */
async function runOnce(connection: Connection, migration: Migration): Promise<boolean> {
  await connection.query({ text: 'BEGIN' });
  await connection.query(MIGRATION_LOCK);
  // First: a session that found no such table before the lock may go on finding none in this transaction, since only
  // statements that lock a table take notice of tables made by others.
  await connection.query(CREATE_MIGRATIONS_TABLE);
  const done = (await appliedMigrations(connection)).has(migration.number);
  if (!done) {
    await connection.query({ text: migration.sql });
    await connection.query(RECORD_MIGRATION, [migration.number, migration.name]);
  }
  await connection.query({ text: 'COMMIT' });
  return !done;
}
