/**
 * Migrations against real tables: from nothing, and from tables that Goverse made, with rows in them. Goal: what was
 * there stays readable and becomes savable, any number of processes may do it at once, and nobody waits for nothing.
 */
import type { Client } from 'pg';
import { describe, expect, it } from 'vitest';
import type { ConnectionOptions } from '../../src/store/connection.ts';
import { migrate } from '../../src/store/migrate.ts';
import { PostgresStore } from '../../src/store/postgres-store.ts';
import { StoreError } from '../../src/store/store-error.ts';
import { remove, runBatch, save } from '../support/batch-commands.ts';
import { within } from '../support/eventually.ts';
import { openScratch } from '../support/scratch.ts';

const scratch = await openScratch();

/** As the seed of Goverse creates it. */
const SEED_TABLE = `
  CREATE TABLE goverse_objects (
    object_id VARCHAR(255) PRIMARY KEY,
    object_type VARCHAR(255) NOT NULL,
    data JSONB NOT NULL,
    created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
  );
  CREATE INDEX idx_goverse_objects_type ON goverse_objects(object_type);
  CREATE INDEX idx_goverse_objects_updated_at ON goverse_objects(updated_at);`;

/** As Goverse creates it today, with the table of reliable calls beside it. */
const TODAYS_TABLES = `
  CREATE TABLE goverse_objects (
    object_id VARCHAR(255) PRIMARY KEY,
    object_type VARCHAR(255) NOT NULL,
    data JSONB NOT NULL,
    next_rcseq BIGINT NOT NULL DEFAULT 0,
    created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
  );
  CREATE INDEX idx_goverse_objects_type ON goverse_objects(object_type);
  CREATE INDEX idx_goverse_objects_updated_at ON goverse_objects(updated_at);
  CREATE TABLE goverse_reliable_calls (
    seq BIGSERIAL UNIQUE,
    call_id VARCHAR(255) PRIMARY KEY,
    object_id VARCHAR(255) NOT NULL,
    object_type VARCHAR(255) NOT NULL,
    method_name VARCHAR(255) NOT NULL,
    request_data BYTEA NOT NULL,
    result_data BYTEA,
    error_message TEXT,
    status VARCHAR(50) NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'success', 'failed', 'skipped')),
    created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT valid_success_state CHECK (status <> 'success' OR result_data IS NOT NULL),
    CONSTRAINT valid_error_state CHECK (status NOT IN ('failed', 'skipped') OR error_message IS NOT NULL)
  );
  CREATE INDEX idx_goverse_reliable_calls_object_status ON goverse_reliable_calls(object_id, status);
  INSERT INTO goverse_reliable_calls (call_id, object_id, object_type, method_name, request_data)
  VALUES ('call-1', 'user-123', 'UserProfile', 'Rename', '\\x0a');`;

const OLD_ROW = `
  INSERT INTO goverse_objects (object_id, object_type, data, created_at, updated_at)
  VALUES ('user-123', 'UserProfile', '{"username": "alice", "score": 100}', '2025-11-01 12:00', '2025-11-02 12:00')`;

interface Fresh {
  readonly sql: Client;
  readonly options: ConnectionOptions;
  readonly store: PostgresStore;
}

/** An empty schema for one test, and a connection of its own. */
async function freshSchema(before = '', overrides: Partial<ConnectionOptions> = {}): Promise<Fresh> {
  const databaseUrl = await scratch.createSchema();
  const sql = await scratch.connect(databaseUrl);
  await sql.query(before);
  const options = scratch.connectionOptions({ databaseUrl, ...overrides });
  return { sql, options, store: new PostgresStore({ ...options, copyRowsMin: 1_000 }) };
}

async function rows(sql: Client, query: string): Promise<unknown[][]> {
  return (await sql.query<unknown[]>({ text: query, rowMode: 'array' })).rows;
}

const byName = (columns: unknown[][]) => columns.toSorted((a, b) => (String(a[0]) < String(b[0]) ? -1 : 1));

const columnsOf = (sql: Client, table: string) =>
  rows(
    sql,
    `SELECT column_name::text, format_type(a.atttypid, a.atttypmod), is_nullable::text, column_default::text
     FROM information_schema.columns c
     JOIN pg_attribute a ON a.attrelid = c.table_name::regclass AND a.attname = c.column_name
     WHERE table_name = '${table}' AND table_schema = current_schema ORDER BY ordinal_position`,
  );

const indexesOf = (sql: Client, table: string) =>
  rows(
    sql,
    `SELECT indexname::text, regexp_replace(indexdef, ' ON .* USING ', ' USING ') FROM pg_indexes
     WHERE tablename = '${table}' AND schemaname = current_schema ORDER BY indexname`,
  );

describe('the schema', () => {
  it('comes from nothing as the seed and todays Goverse define it, and what Holdfast adds', async () => {
    const { sql, options } = await freshSchema();
    const ran = await migrate(options);
    expect(ran.map(({ number }) => number)).toEqual(ran.map((_, index) => index + 1));
    expect(await columnsOf(sql, 'goverse_objects')).toEqual([
      ['object_id', 'character varying(255)', 'NO', null],
      ['object_type', 'character varying(255)', 'NO', null],
      ['data', 'jsonb', 'NO', null],
      ['next_rcseq', 'bigint', 'NO', '0'],
      ['created_at', 'timestamp without time zone', 'NO', 'CURRENT_TIMESTAMP'],
      ['updated_at', 'timestamp without time zone', 'NO', 'CURRENT_TIMESTAMP'],
      ['version', 'bigint', 'NO', '0'],
      ['epoch', 'bigint', 'NO', '0'],
    ]);
    expect(await indexesOf(sql, 'goverse_objects')).toEqual([
      ['goverse_objects_pkey', expect.stringMatching(/^CREATE UNIQUE INDEX .* btree \(object_id\)$/)],
      ['idx_goverse_objects_type', expect.stringContaining('btree (object_type)')],
      ['idx_goverse_objects_updated_at', expect.stringContaining('btree (updated_at)')],
    ]);
  });

  it.each([
    ['the seed', SEED_TABLE],
    ['today', TODAYS_TABLES],
  ])('of %s is adopted in place with the same columns and indexes', async (_name, before) => {
    const made = await freshSchema();
    await migrate(made.options);
    const adopted = await freshSchema(before + OLD_ROW);
    await migrate(adopted.options);
    expect(byName(await columnsOf(adopted.sql, 'goverse_objects'))).toEqual(
      byName(await columnsOf(made.sql, 'goverse_objects')),
    );
    expect(await indexesOf(adopted.sql, 'goverse_objects')).toEqual(
      await indexesOf(made.sql, 'goverse_objects'),
    );
  });

  it('leaves the reliable calls of Goverse alone', async () => {
    const { sql, options } = await freshSchema(TODAYS_TABLES + OLD_ROW);
    const before = await columnsOf(sql, 'goverse_reliable_calls');
    await migrate(options);
    expect(await columnsOf(sql, 'goverse_reliable_calls')).toEqual(before);
    expect(await rows(sql, 'SELECT call_id, status FROM goverse_reliable_calls')).toEqual([
      ['call-1', 'pending'],
    ]);
  });

  it('rewrites no row of an adopted table', async () => {
    const { sql, options } = await freshSchema(SEED_TABLE + OLD_ROW);
    const where = `SELECT pg_relation_filenode('goverse_objects'), ctid::text, xmin::text FROM goverse_objects`;
    const before = await rows(sql, where);
    await migrate(options);
    expect(await rows(sql, where)).toEqual(before);
  });
});

describe('rows that Goverse wrote', () => {
  it.each([
    ['the seed', SEED_TABLE],
    ['today', TODAYS_TABLES],
  ])('of %s are loaded with version 0', async (_name, before) => {
    const { options, store } = await freshSchema(before + OLD_ROW);
    await migrate(options);
    const session = store.openReadSession();
    expect(await session.load([{ id: 'user-123', document: true }])).toEqual([
      {
        id: 'user-123',
        live: true,
        version: 0,
        epoch: 0,
        type: 'UserProfile',
        nextRcseq: 0,
        document: '{"score": 100, "username": "alice"}',
      },
    ]);
    await session.close();
  });

  it('are overwritten by the first save: created_at stays, updated_at and the type change', async () => {
    const { sql, options, store } = await freshSchema(SEED_TABLE + OLD_ROW);
    await migrate(options);
    const session = store.openWriteSession();
    const command = save('user-123', '{"score":150}', { version: 1, type: 'Profile' });
    const { outcomes } = await runBatch(session, [command]);
    expect(outcomes.get(command)).toEqual({ outcome: 'applied', version: 1, epoch: 0 });
    expect(
      await rows(
        sql,
        `SELECT object_type, data::text, version, next_rcseq, created_at = '2025-11-01 12:00',
                updated_at > now() AT TIME ZONE 'UTC' - interval '1 minute' FROM goverse_objects`,
      ),
    ).toEqual([['Profile', '{"score": 150}', '1', '0', true, true]]);
    await session.close();
  });

  it('are deleted, and their version is remembered', async () => {
    const { sql, options, store } = await freshSchema(TODAYS_TABLES + OLD_ROW);
    await migrate(options);
    const session = store.openWriteSession();
    await runBatch(session, [remove('user-123', { version: 7 })]);
    expect(await rows(sql, 'SELECT count(*)::int FROM goverse_objects')).toEqual([[0]]);
    expect(await rows(sql, 'SELECT object_id, version, epoch FROM holdfast_tombstones')).toEqual([
      ['user-123', '7', '0'],
    ]);
    await session.close();
  });

  it('are still written by a provider that knows nothing of versions', async () => {
    const { sql, options } = await freshSchema(TODAYS_TABLES + OLD_ROW);
    await migrate(options);
    await sql.query(`
      INSERT INTO goverse_objects (object_id, object_type, data, next_rcseq, created_at, updated_at)
      VALUES ('user-123', 'UserProfile', '{}', 3, now(), now()), ('user-124', 'UserProfile', '{}', 0, now(), now())
      ON CONFLICT (object_id) DO UPDATE SET data = EXCLUDED.data, next_rcseq = EXCLUDED.next_rcseq`);
    expect(await rows(sql, 'SELECT object_id, version, epoch FROM goverse_objects ORDER BY 1')).toEqual([
      ['user-123', '0', '0'],
      ['user-124', '0', '0'],
    ]);
  });
});

describe('many at once', () => {
  it('run every migration exactly once from ten connections', async () => {
    const { sql, options } = await freshSchema();
    const results = await Promise.all(Array.from({ length: 10 }, () => migrate(options)));
    const numbers = results.flat().map(({ number }) => number);
    expect(numbers.toSorted((a, b) => a - b)).toEqual(numbers.map((_, index) => index + 1));
    expect(await rows(sql, 'SELECT number FROM holdfast_migrations ORDER BY number')).toEqual(
      numbers.map((_, index) => [index + 1]),
    );
  });

  it('adopt a table from ten connections while it is being written', async () => {
    const { sql, options } = await freshSchema(SEED_TABLE + OLD_ROW);
    const writing = new AbortController();
    const writer = (async () => {
      let writes = 0;
      for (; !writing.signal.aborted; writes += 1) {
        await sql.query(`UPDATE goverse_objects SET data = '{"n": ${writes}}'`);
      }
      return writes;
    })();
    const ran = await Promise.allSettled(Array.from({ length: 10 }, () => migrate(options)));
    writing.abort();
    expect(await writer).toBeGreaterThan(0);
    expect(ran.filter(({ status }) => status === 'rejected')).toEqual([]);
    expect(await rows(sql, 'SELECT object_id, version FROM goverse_objects')).toEqual([['user-123', '0']]);
  });
});

describe('a run', () => {
  it('with nothing to do returns at once, whatever locks others hold', async () => {
    const { sql, options } = await freshSchema();
    await migrate(options);
    await sql.query('BEGIN');
    await sql.query(`INSERT INTO goverse_objects (object_id, object_type, data) VALUES ('a', 'T', '{}')`);
    await sql.query(
      'LOCK TABLE goverse_objects, holdfast_tombstones, holdfast_claims IN ACCESS EXCLUSIVE MODE',
    );
    await sql.query('SELECT pg_advisory_xact_lock(1752132708, slot) FROM generate_series(0, 64) AS slot');
    await sql.query('LOCK TABLE holdfast_migrations IN SHARE ROW EXCLUSIVE MODE');
    expect(await within(2_000, 'migrating', migrate(options))).toEqual([]);
    await sql.query('ROLLBACK');
  });

  it('that a writer blocks gives up after lock_timeout and succeeds later', async () => {
    const { sql, options } = await freshSchema(SEED_TABLE + OLD_ROW, { lockTimeoutMs: 100 });
    await sql.query('BEGIN');
    await sql.query(`UPDATE goverse_objects SET data = '{}'`);
    const error: unknown = await migrate(options).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(StoreError);
    expect(error).toMatchObject({ failure: 'contended', sqlstate: '55P03', retryable: true });
    expect(await rows(sql, 'SELECT 1 FROM goverse_objects')).toHaveLength(1);
    await sql.query('COMMIT');
    expect(await migrate(options)).not.toHaveLength(0);
  });

  it('that fails half-way leaves nothing of the migration that failed', async () => {
    const { sql, options } = await freshSchema('CREATE TABLE holdfast_tombstones (unrelated INTEGER)');
    await expect(migrate(options)).rejects.toMatchObject({ sqlstate: '42P07' });
    expect(await rows(sql, 'SELECT number FROM holdfast_migrations')).toEqual([[1]]);
    expect(await columnsOf(sql, 'holdfast_tombstones')).toHaveLength(1);
    await sql.query('DROP TABLE holdfast_tombstones');
    expect((await migrate(options)).at(0)?.number).toBe(2);
  });
});

describe('a session', () => {
  it('says which migrations are missing until they were run', async () => {
    const { options, store } = await freshSchema();
    const session = store.openReadSession();
    await expect(session.probe()).rejects.toMatchObject({ code: 'SCHEMA_OUTDATED', retryable: true });
    await expect(session.probe()).rejects.toThrow('0001-create-objects');
    await migrate(options);
    await expect(session.probe()).resolves.toBeUndefined();
    await session.close();
  });
});
