/** One replay or drop at a time in a database: a lock that lives as long as the session that took it. */
import type { Queryable } from './connection.ts';
import { LOCK_NAMESPACE } from './lock-slots.ts';

/** A slot of its own behind the 64 lock slots of the shards and that of the migrations. */
const REPLAY_SLOT = 65;

/** One row, one boolean: whether we have it now. */
const TAKE_LOCK = { text: `SELECT pg_try_advisory_lock(${LOCK_NAMESPACE}, ${REPLAY_SLOT})` };

/** One row if somebody has it: the application name of the session, and since when the session lives. */
const LOCK_HOLDER = {
  text: `
    SELECT coalesce(a.application_name, ''), to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
    FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
      AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
      AND l.classid = ${LOCK_NAMESPACE} AND l.objid = ${REPLAY_SLOT}`,
};

/** Who has the lock, as far as the database tells. */
export interface LockHolder {
  /** Empty if it is not told. */
  readonly applicationName: string;
  /** ISO 8601; null if it is not told. */
  readonly since: string | null;
}

/** Returns who has it instead; `undefined` if we have it now, until the connection ends. @throws StoreError */
export async function takeReplayLock(connection: Queryable): Promise<LockHolder | undefined> {
  const { rows } = await connection.query<[taken: boolean]>(TAKE_LOCK);
  if (rows[0]?.[0] === true) return undefined;
  const holders = await connection.query<[applicationName: string, since: string | null]>(LOCK_HOLDER);
  const [applicationName = '', since = null] = holders.rows[0] ?? [];
  return { applicationName, since };
}
