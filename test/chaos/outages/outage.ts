/** What can be away or refuse, for as long as a run wants, and what brings it back. */
import { runSql } from '../../servers/run-sql.ts';
import type { ServerControl, Servers } from '../../servers/servers.ts';

export interface OutageContext {
  readonly servers: Servers;
  /** Of the scratch database, past every proxy, with every right. */
  readonly databaseUrl: string;
  /** The role of the workers. */
  readonly role: string;
}

export interface Outage {
  /** In one line, for people. */
  readonly what: string;
  /** Whether RabbitMQ is there, so that publishers are confirmed all the time. */
  readonly confirms: boolean;
  readonly begin: (context: OutageContext) => Promise<void>;
  readonly end: (context: OutageContext) => Promise<void>;
}

/** Other sessions keep the settings that they began with. */
const END_SESSIONS = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE datname = current_database() AND pid <> pg_backend_pid()`;

export const OUTAGES = {
  database: {
    what: 'PostgreSQL does not run',
    confirms: true,
    begin: async ({ servers }) => await ours(servers.database).stop(),
    end: async ({ servers }) => await ours(servers.database).start(),
  },
  broker: {
    what: 'RabbitMQ does not run',
    confirms: false,
    begin: async ({ servers }) => await ours(servers.broker).stop(),
    end: async ({ servers }) => await ours(servers.broker).start(),
  },
  'insert-revoked': {
    what: 'the workers may not INSERT',
    confirms: true,
    begin: async (context) =>
      await runSql(context.databaseUrl, `REVOKE INSERT ON goverse_objects FROM "${context.role}"`),
    end: async (context) =>
      await runSql(context.databaseUrl, `GRANT INSERT ON goverse_objects TO "${context.role}"`),
  },
  'column-not-null': {
    what: 'somebody adds a NOT NULL column without a default',
    confirms: true,
    begin: async (context) =>
      await runSql(
        context.databaseUrl,
        `ALTER TABLE goverse_objects ADD COLUMN tenant TEXT NOT NULL DEFAULT 'none'`,
        'ALTER TABLE goverse_objects ALTER COLUMN tenant DROP DEFAULT',
      ),
    end: async (context) =>
      await runSql(context.databaseUrl, 'ALTER TABLE goverse_objects DROP COLUMN tenant'),
  },
  'read-only': {
    what: 'every session is read-only, as on a server that became a replica',
    confirms: true,
    begin: async (context) =>
      await runSql(
        context.databaseUrl,
        `ALTER ROLE "${context.role}" SET default_transaction_read_only = on`,
        END_SESSIONS,
      ),
    end: async (context) =>
      await runSql(
        context.databaseUrl,
        `ALTER ROLE "${context.role}" RESET default_transaction_read_only`,
        END_SESSIONS,
      ),
  },
} as const satisfies Readonly<Record<string, Outage>>;

export type OutageName = keyof typeof OUTAGES;

export function isOutageName(name: string): name is OutageName {
  return Object.hasOwn(OUTAGES, name);
}

function ours(control: ServerControl | undefined): ServerControl {
  if (control === undefined) throw new Error('the server was given: it is not ours to stop');
  return control;
}
