/** What the server says of itself: version, encoding, durability, limits. For tools. */
import type { Queryable } from './connection.ts';

/**
 * One row of JSON, whose keys are the properties below. `reset_val` is what a session has before it sets anything, with
 * what was set for the role and the database; our own sessions set their time zone. The number of sessions is visible to
 * everybody, what they do is not.
 */
const SERVER_FACTS = {
  text: `
    SELECT json_build_object(
      'version', split_part(current_setting('server_version'), ' ', 1),
      'versionNumber', current_setting('server_version_num')::integer,
      'encoding', current_setting('server_encoding'),
      'database', current_database(),
      'user', current_user,
      'schema', current_schema(),
      'fsync', current_setting('fsync')::boolean,
      'synchronousCommit', current_setting('synchronous_commit'),
      'fullPageWrites', current_setting('full_page_writes')::boolean,
      'autovacuum', current_setting('autovacuum')::boolean,
      'trackCounts', current_setting('track_counts')::boolean,
      'readOnly', pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean,
      'connectionsMax',
        current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer,
      'connections', (SELECT count(*) FROM pg_stat_activity a WHERE a.backend_type = 'client backend'),
      'timeZone', (SELECT s.reset_val FROM pg_settings s WHERE s.name = 'TimeZone'))`,
};

export interface ServerFacts {
  /** `15.18`, without what the packager adds. */
  readonly version: string;
  /** `150018` for 15.18. */
  readonly versionNumber: number;
  readonly encoding: string;
  readonly database: string;
  readonly user: string;
  /** Where tables are made; null if no schema of the search path exists. */
  readonly schema: string | null;
  readonly fsync: boolean;
  readonly synchronousCommit: string;
  readonly fullPageWrites: boolean;
  readonly autovacuum: boolean;
  readonly trackCounts: boolean;
  /** A standby, or set to read only. */
  readonly readOnly: boolean;
  /** Connections for ordinary users. */
  readonly connectionsMax: number;
  /** In use now, ours included. */
  readonly connections: number;
  readonly timeZone: string;
}

/** @throws StoreError */
export async function readServerFacts(connection: Queryable): Promise<ServerFacts> {
  const { rows } = await connection.query<[facts: ServerFacts]>(SERVER_FACTS);
  const [facts] = rows[0] ?? [];
  if (facts === undefined) throw new TypeError('the server says nothing of itself');
  return facts;
}
