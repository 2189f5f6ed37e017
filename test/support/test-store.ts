/** A migrated schema of one's own with a write session on it, for tests of the store alone. */
import type { Client } from 'pg';
import type { ConnectionOptions } from '../../src/store/connection.ts';
import { migrate } from '../../src/store/migrate.ts';
import { PostgresStore } from '../../src/store/postgres-store.ts';
import type { WriteSession } from '../../src/store/store.ts';
import type { Scratch } from './scratch.ts';

export interface TestStore {
  readonly databaseUrl: string;
  readonly options: ConnectionOptions;
  /** For preparing and looking. */
  readonly sql: Client;
  readonly session: WriteSession;
  /** A further session, closed with the file. */
  readonly open: (overrides?: Partial<ConnectionOptions>) => WriteSession;
  /** Rows as arrays. */
  readonly rows: (text: string, values?: unknown[]) => Promise<unknown[][]>;
}

/** How rows are sent: everything by arrays, or everything by COPY. */
export const COPY_ROWS_MIN = { rows: Number.MAX_SAFE_INTEGER, copy: 1 } as const;

export async function openStore(
  scratch: Scratch,
  { copyRowsMin = COPY_ROWS_MIN.rows, before = '' }: { copyRowsMin?: number; before?: string } = {},
): Promise<TestStore> {
  const databaseUrl = await scratch.createSchema();
  const options = scratch.connectionOptions({ databaseUrl });
  const sql = await scratch.connect(databaseUrl);
  await sql.query(before);
  await migrate(options);
  const open = (overrides: Partial<ConnectionOptions> = {}): WriteSession => {
    const session = new PostgresStore({ ...options, ...overrides, copyRowsMin }).openWriteSession();
    scratch.onEnd(() => session.close());
    return session;
  };
  return {
    databaseUrl,
    options,
    sql,
    session: open(),
    open,
    rows: async (text, values) =>
      (await sql.query<unknown[]>({ text, ...(values && { values }), rowMode: 'array' })).rows,
  };
}
