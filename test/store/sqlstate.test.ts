/**
 * The table of SQLSTATEs, held against PostgreSQL itself: it is asked for the code of each condition by name, and made to
 * raise it by what raises it in life, where that can be had. What cannot (a full disk, a crash) is raised by a block.
 */
import { describe, expect, it } from 'vitest';
import { Connection } from '../../src/store/connection.ts';
import {
  failureClass,
  NAMED_SQLSTATE_CLASSES,
  NAMED_SQLSTATES,
  ROW_FAILURE_CLASSES,
} from '../../src/store/sqlstate.ts';
import { StoreError } from '../../src/store/store-error.ts';
import { eventually } from '../support/eventually.ts';
import { openScratch } from '../support/scratch.ts';

const scratch = await openScratch();
const { rows: versions } = await scratch.sql.query<{ server_version_num: string }>('SHOW server_version_num');
const serverVersion = Math.floor(Number(versions[0]?.server_version_num) / 10_000);

type Provoke = (connection: Connection) => Promise<unknown>;

interface Row {
  readonly code: string;
  /** As appendix A and PL/pgSQL call it. */
  readonly condition: string;
  readonly failure: string;
  readonly lost?: true;
  /** The first version that knows it. */
  readonly since?: number;
  /** What raises it in life. */
  readonly provoke?: Provoke;
}

const run =
  (...texts: string[]): Provoke =>
  async (connection) => {
    for (const text of texts) await connection.query({ text });
  };

const raise = (condition: string): Provoke =>
  run(`DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '${condition}'; END $$`);

/** A connection beside the one that is to fail. */
async function beside(...texts: string[]): Promise<void> {
  const client = await scratch.connect();
  for (const text of texts) await client.query(text);
}

const open = (change: (url: URL) => void): Promise<Connection> => {
  const url = new URL(scratch.databaseUrl);
  change(url);
  return Connection.open(scratch.connectionOptions({ databaseUrl: url.href }));
};

const TABLE = 'CREATE TEMPORARY TABLE t (id INTEGER PRIMARY KEY, n INTEGER CHECK (n > 0))';

/** Two sessions that each wait for what the other has; ours is the one that notices. */
const deadlock: Provoke = async (connection) => {
  const other = await scratch.connect();
  await other.query(`SET deadlock_timeout = '1min'`);
  await other.query('BEGIN');
  await other.query('SELECT pg_advisory_xact_lock(1)');
  await run(`SET deadlock_timeout = '1ms'`, 'BEGIN', 'SELECT pg_advisory_xact_lock(2)')(connection);
  const waiting = other.query('SELECT pg_advisory_xact_lock(2)');
  await eventually(async () => {
    const { rows } = await scratch.sql.query('SELECT FROM pg_locks WHERE NOT granted');
    return rows.length > 0;
  });
  try {
    await run('SELECT pg_advisory_xact_lock(1)')(connection);
  } finally {
    await connection.close();
    await waiting;
    await other.query('ROLLBACK');
  }
};

const serialization: Provoke = async (connection) => {
  await beside('CREATE TABLE counter (n INTEGER)', 'INSERT INTO counter VALUES (1)');
  await run('BEGIN ISOLATION LEVEL REPEATABLE READ', 'SELECT n FROM counter')(connection);
  await beside('UPDATE counter SET n = 2');
  await run('UPDATE counter SET n = 3')(connection);
};

/** Waits until the server has ended the session by itself; what the next statement then says. */
const endedBy =
  (...texts: string[]): Provoke =>
  async (connection) => {
    await run(...texts)(connection);
    await eventually(() => !connection.usable);
    await run('SELECT 1')(connection);
  };

const ROWS: readonly Row[] = [
  {
    code: '08',
    condition: 'connection_exception',
    failure: 'systemic',
    provoke: (connection) => connection.query({ text: 'SELECT $1::bigint[]' }, [Buffer.from([0])]),
  },
  { code: '22', condition: 'data_exception', failure: 'row', provoke: run(`SELECT '{'::jsonb`) },
  {
    code: '23',
    condition: 'integrity_constraint_violation',
    failure: 'row',
    provoke: run(TABLE, 'INSERT INTO t VALUES (1, 0)'),
  },
  {
    code: '25',
    condition: 'invalid_transaction_state',
    failure: 'systemic',
    provoke: run('BEGIN READ ONLY', 'CREATE TABLE never ()'),
  },
  {
    code: '28',
    condition: 'invalid_authorization_specification',
    failure: 'systemic',
    lost: true,
    provoke: () => open((url) => (url.username = 'nobody-of-this-name')),
  },
  {
    code: '3D',
    condition: 'invalid_catalog_name',
    failure: 'systemic',
    lost: true,
    provoke: () => open((url) => (url.pathname = '/no-database-of-this-name')),
  },
  {
    code: '3F',
    condition: 'invalid_schema_name',
    failure: 'systemic',
    provoke: run('CREATE TABLE nowhere.t ()'),
  },
  { code: '40', condition: 'transaction_rollback', failure: 'transient' },
  {
    code: '42',
    condition: 'syntax_error_or_access_rule_violation',
    failure: 'systemic',
    provoke: run('SELEKT 1'),
  },
  {
    code: '44',
    condition: 'with_check_option_violation',
    failure: 'row',
    provoke: run(
      TABLE,
      'CREATE TEMPORARY VIEW v AS SELECT * FROM t WHERE n > 5 WITH CHECK OPTION',
      'INSERT INTO v VALUES (1, 1)',
    ),
  },
  {
    code: '53',
    condition: 'insufficient_resources',
    failure: 'systemic',
    provoke: run(
      `SET temp_file_limit = 0`,
      `SET work_mem = '64kB'`,
      'SELECT n FROM generate_series(1, 100000) AS n ORDER BY random()',
    ),
  },
  {
    code: '54',
    condition: 'program_limit_exceeded',
    failure: 'row',
    provoke: run(`SET max_stack_depth = '100kB'`, `SELECT (repeat('[', 5000) || repeat(']', 5000))::jsonb`),
  },
  {
    code: '55',
    condition: 'object_not_in_prerequisite_state',
    failure: 'systemic',
    provoke: run('CREATE TEMPORARY SEQUENCE s', `SELECT currval('s')`),
  },
  { code: '57', condition: 'operator_intervention', failure: 'systemic' },
  {
    code: '58',
    condition: 'system_error',
    failure: 'systemic',
    provoke: run(`SELECT pg_read_file('no-file-of-this-name')`),
  },
  {
    code: 'P0',
    condition: 'plpgsql_error',
    failure: 'row',
    provoke: run(`DO $$ BEGIN RAISE EXCEPTION 'no'; END $$`),
  },
  { code: 'XX', condition: 'internal_error', failure: 'systemic' },
  {
    code: '21000',
    condition: 'cardinality_violation',
    failure: 'transient',
    provoke: run(TABLE, 'INSERT INTO t VALUES (1, 1), (1, 2) ON CONFLICT (id) DO UPDATE SET n = excluded.n'),
  },
  {
    code: '25P02',
    condition: 'in_failed_sql_transaction',
    failure: 'transient',
    provoke: async (connection) => {
      await run('BEGIN', 'SELEKT 1')(connection).catch(() => undefined);
      await run('SELECT 1')(connection);
    },
  },
  {
    code: '25P03',
    condition: 'idle_in_transaction_session_timeout',
    failure: 'transient',
    lost: true,
    provoke: endedBy('SET idle_in_transaction_session_timeout = 20', 'BEGIN'),
  },
  {
    code: '25P04',
    condition: 'transaction_timeout',
    failure: 'transient',
    lost: true,
    since: 17,
    provoke: endedBy('SET transaction_timeout = 20', 'BEGIN'),
  },
  { code: '40001', condition: 'serialization_failure', failure: 'transient', provoke: serialization },
  { code: '40P01', condition: 'deadlock_detected', failure: 'transient', provoke: deadlock },
  {
    code: '42501',
    condition: 'insufficient_privilege',
    failure: 'systemic',
    provoke: run('SET ROLE pg_monitor', 'CREATE SCHEMA mine'),
  },
  {
    code: '42703',
    condition: 'undefined_column',
    failure: 'systemic',
    provoke: run(TABLE, 'SELECT missing FROM t'),
  },
  { code: '42P01', condition: 'undefined_table', failure: 'systemic', provoke: run('SELECT FROM missing') },
  { code: '53100', condition: 'disk_full', failure: 'systemic' },
  { code: '53200', condition: 'out_of_memory', failure: 'systemic' },
  {
    code: '53300',
    condition: 'too_many_connections',
    failure: 'systemic',
    lost: true,
    provoke: async () => {
      const role = `${scratch.id}-crowd`;
      await scratch.sql.query(`CREATE ROLE "${role}" LOGIN PASSWORD 'crowd' CONNECTION LIMIT 0`);
      try {
        return await open((url) => {
          url.username = role;
          url.password = 'crowd';
        });
      } finally {
        await scratch.sql.query(`DROP ROLE "${role}"`);
      }
    },
  },
  {
    code: '55P03',
    condition: 'lock_not_available',
    failure: 'contended',
    provoke: async (connection) => {
      const holder = await scratch.connect();
      await holder.query('SELECT pg_advisory_lock(3)');
      try {
        await run('SET lock_timeout = 10', 'SELECT pg_advisory_lock(3)')(connection);
      } finally {
        await holder.end();
      }
    },
  },
  {
    code: '57014',
    condition: 'query_canceled',
    failure: 'contended',
    provoke: run('SET statement_timeout = 10', 'SELECT pg_sleep(10)'),
  },
  {
    code: '57P01',
    condition: 'admin_shutdown',
    failure: 'systemic',
    lost: true,
    provoke: run('SELECT pg_terminate_backend(pg_backend_pid())'),
  },
  { code: '57P02', condition: 'crash_shutdown', failure: 'systemic', lost: true },
  { code: '57P03', condition: 'cannot_connect_now', failure: 'systemic', lost: true },
  {
    code: '57P05',
    condition: 'idle_session_timeout',
    failure: 'systemic',
    lost: true,
    since: 14,
    provoke: endedBy('SET idle_session_timeout = 20'),
  },
];

async function errorOf(provoke: Provoke): Promise<StoreError> {
  const connection = await Connection.open(scratch.connectionOptions());
  const error: unknown = await provoke(connection).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  await connection.close();
  expect(error).toBeInstanceOf(StoreError);
  return error as StoreError;
}

describe('the table', () => {
  it('is tested row by row here', () => {
    expect(ROWS.map(({ code }) => code).toSorted()).toEqual(
      [...NAMED_SQLSTATE_CLASSES, ...NAMED_SQLSTATES].toSorted(),
    );
  });

  it('has no code inside a class of row failures that means anything else: the server goes by the class', () => {
    expect(ROW_FAILURE_CLASSES.map((name) => failureClass(`${name}999`))).toEqual(
      ROW_FAILURE_CLASSES.map(() => 'row'),
    );
    const inside = NAMED_SQLSTATES.filter((code) => ROW_FAILURE_CLASSES.includes(code.slice(0, 2)));
    expect(inside.filter((code) => failureClass(code) !== 'row')).toEqual([]);
    expect([...ROW_FAILURE_CLASSES].toSorted()).toEqual(['22', '23', '44', '54', 'P0']);
  });

  it.each(ROWS.filter(({ since = 0 }) => since <= serverVersion))(
    'names $code, which PostgreSQL calls $condition',
    async ({ code, condition }) => {
      const { sqlstate } = await errorOf(raise(condition));
      expect(sqlstate).toBe(code.padEnd(5, '0'));
    },
  );

  it.each(ROWS.filter(({ since = 0 }) => since <= serverVersion))(
    'takes $code ($condition) for $failure',
    async ({ code, failure, lost = false, provoke }) => {
      const error = await errorOf(provoke ?? raise(code.padEnd(5, '0')));
      expect(error.sqlstate?.slice(0, code.length)).toBe(code);
      expect(error).toMatchObject({ failure, connectionLost: lost, retryable: failure !== 'row' });
    },
  );

  it.each(['0A000', '26000', 'F0000', 'HV000', '99999', ''])(
    'takes what it does not know (%j) for systemic, so that nothing is dead-lettered by mistake',
    (code) => {
      expect(failureClass(code)).toBe('systemic');
    },
  );
});

describe('an error', () => {
  it.each([
    ['goverse_objects_pkey', 'contended'],
    ['username', 'row'],
  ])('of a key that is taken (%s) is %s', async (constraint, failure) => {
    const provoke = run(
      `CREATE TEMPORARY TABLE k (id INTEGER CONSTRAINT ${constraint} PRIMARY KEY)`,
      'INSERT INTO k VALUES (1), (1)',
    );
    expect(await errorOf(provoke)).toMatchObject({ failure, sqlstate: '23505', constraint });
  });

  it('of a server that is not there is systemic, without a SQLSTATE', async () => {
    const error = await errorOf(() => open((url) => (url.port = '1')));
    expect(error).toMatchObject({ failure: 'systemic', connectionLost: true, code: 'STORE_UNAVAILABLE' });
    expect(error.sqlstate).toBeUndefined();
    expect(error.message).not.toBe('');
  });

  it.each([
    ['a user that does not exist', (url: URL) => void (url.username = 'nobody-of-this-name')],
    ['a database that does not exist', (url: URL) => void (url.pathname = '/none')],
  ])('of %s is a matter of configuration', async (_name, change) => {
    expect(await errorOf(() => open(change))).toMatchObject({ code: 'STORE_MISCONFIGURED' });
  });
});
