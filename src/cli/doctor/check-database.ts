/** Looks at PostgreSQL: reachable, of a version that works, schema, rights, durability, room, clock. */
import type { Options } from '../../config/options.ts';
import type { BackendIdentity } from '../../store/backend-identity.ts';
import type { Connection } from '../../store/connection.ts';
import type { Privileges } from '../../store/privileges.ts';
import type { SchemaState } from '../../store/schema-state.ts';
import type { ClockDifference } from '../../store/server-clock.ts';
import type { ServerFacts } from '../../store/server-facts.ts';
import { redactUrl } from '../../telemetry/redact-url.ts';
import { plural } from '../number-text.ts';
import { openDatabase, withDatabase } from '../servers.ts';
import { type Check, CheckList } from './check.ts';
import { noteUnreachable } from './check-broker.ts';

/** The oldest that Holdfast is tested on. */
const VERSION_NUMBER_MIN = 150_000;

/** A difference of clocks that shows in `created_at`, and one that makes versions misleading. */
const CLOCK_WARN_MS = 1_000;
const CLOCK_FAIL_MS = 60_000;

/** Tables that are written, and the one that is only migrated. */
const TABLES = [
  'goverse_objects',
  'holdfast_tombstones',
  'holdfast_claims',
  'holdfast_suspects',
  'holdfast_dead_letters',
  'holdfast_dead_letter_audit',
  'holdfast_migrations',
];

/** Never throws. */
export async function checkDatabase(options: Options): Promise<Check[]> {
  const list = new CheckList('PostgreSQL');
  const startedAt = performance.now();
  let connection: Connection;
  try {
    connection = await openDatabase(options, 'doctor');
  } catch (error) {
    noteUnreachable(list, error);
    return list.checks;
  }
  try {
    const openedMs = Math.round(performance.now() - startedAt);
    list.ok('reachable', `${redactUrl(options.databaseUrl)} in ${openedMs} ms`);
    await look(connection, options, list);
  } catch (error) {
    noteUnreachable(list, error);
  } finally {
    await connection.close();
  }
  return list.checks;
}

async function look(connection: Connection, options: Options, list: CheckList): Promise<void> {
  const [{ readServerFacts }, { readSchemaState }, { readPrivileges }, { readClockDifference }] =
    await Promise.all([
      import('../../store/server-facts.ts'),
      import('../../store/schema-state.ts'),
      import('../../store/privileges.ts'),
      import('../../store/server-clock.ts'),
    ]);
  const facts = await readServerFacts(connection);
  judgeServer(facts, list);
  const schema = await readSchemaState(connection);
  judgeSchema(schema, facts, list);
  judgePrivileges(await readPrivileges(connection, TABLES), schema, facts, list);
  judgeDurability(facts, list);
  judgeRoom(facts, options, list);
  judgeUpkeep(facts, list);
  await lookForPooler(connection, options, list);
  judgeClock(await readClockDifference(connection), list);
  judgeTimeZone(facts, list);
}

export function judgeServer(
  { version, versionNumber, encoding, readOnly }: ServerFacts,
  list: CheckList,
): void {
  if (versionNumber >= VERSION_NUMBER_MIN) list.ok('version', version);
  else list.fail('version', version, 'Holdfast needs PostgreSQL 15 or newer');
  if (encoding === 'UTF8') list.ok('encoding', encoding);
  else {
    list.fail(
      'encoding',
      encoding,
      `jsonb and ids need UTF8; create the database anew: createdb --encoding=UTF8 --template=template0`,
    );
  }
  if (readOnly) {
    list.fail(
      'writable',
      'the server or the session is read only',
      'Point databaseUrl to the primary server',
    );
  }
}

export function judgeSchema(
  { applied, missing, unknown }: SchemaState,
  { database }: ServerFacts,
  list: CheckList,
): void {
  if (missing.length > 0) {
    list.fail(
      'schema',
      `${plural(missing.length, 'migration')} missing in database ${database}: ${missing.join(', ')}`,
      'Run holdfast migrate, or start a worker without --no-migrate',
    );
  } else if (unknown.length > 0) {
    list.warn(
      'schema',
      `made by a newer version of Holdfast: migrations ${unknown.join(', ')} are unknown`,
      'Update this installation',
    );
  } else {
    list.ok('schema', `up to date in database ${database}, ${plural(applied, 'migration')}`);
  }
}

export function judgePrivileges(
  { tables, temporary, create }: Privileges,
  { missing: migrations }: SchemaState,
  { user, schema }: ServerFacts,
  list: CheckList,
): void {
  // holdfast_migrations is only read by workers; who migrates owns it.
  const lacking = tables.flatMap(({ table, exists, missing }) => {
    // What does not exist yet is the schema's fault, which is told.
    if (!exists) return [];
    const needed = table === 'holdfast_migrations' ? missing.filter((name) => name === 'SELECT') : missing;
    return needed.length === 0 ? [] : [{ table, needed }];
  });
  for (const { table, needed } of lacking) {
    const names = needed.join(', ');
    list.fail('rights', `user ${user} lacks ${names} on ${table}`, `GRANT ${names} ON ${table} TO ${user};`);
  }
  if (!temporary) {
    list.fail(
      'rights',
      `user ${user} may not make temporary tables, which large batches and refused rows need, and small ones are faster with`,
      `GRANT TEMP ON DATABASE … TO ${user};`,
    );
  }
  if (migrations.length > 0) {
    const foreign = tables.filter(({ exists, owner }) => exists && !owner).map(({ table }) => table);
    if (!create) {
      list.fail(
        'rights',
        `user ${user} may not create tables${schema === null ? '' : ` in schema ${schema}`}, so it cannot migrate`,
        'Run holdfast migrate as a user who may, or GRANT CREATE ON SCHEMA',
      );
    }
    if (foreign.length > 0) {
      list.warn(
        'rights',
        `user ${user} does not own ${foreign.join(', ')}, so it may be unable to migrate`,
        'Run holdfast migrate as the owner',
      );
    }
  }
  if (lacking.length === 0 && temporary && (migrations.length === 0 || create)) {
    list.ok('rights', `user ${user} may read, write and make temporary tables`);
  }
}

export function judgeDurability(
  { fsync, synchronousCommit, fullPageWrites }: ServerFacts,
  list: CheckList,
): void {
  const faults: [string, string][] = [];
  if (!fsync) faults.push(['fsync = off', 'a crash of the machine can lose or destroy everything']);
  if (synchronousCommit === 'off') {
    faults.push([
      'synchronous_commit = off',
      'a crash loses commands that were acknowledged to RabbitMQ as stored',
    ]);
  }
  if (!fullPageWrites) faults.push(['full_page_writes = off', 'a crash can leave pages half written']);
  for (const [setting, consequence] of faults) {
    const [name = ''] = setting.split(' ');
    list.warn(
      'durability',
      `UNSAFE: ${setting}: ${consequence}`,
      `Set ${name} to on, unless all of this may be lost`,
    );
  }
  if (faults.length === 0) {
    list.ok('durability', `fsync on, full_page_writes on, synchronous_commit ${synchronousCommit}`);
  }
}

export function judgeRoom(
  { connectionsMax, connections }: ServerFacts,
  options: Options,
  list: CheckList,
): void {
  const { writers, loadConnections } = options;
  // One more moves the dead letters; the retention's comes and goes.
  const perWorker = writers + loadConnections + 1;
  const free = connectionsMax - connections;
  const found = `${connections} of ${connectionsMax} in use; a worker takes ${perWorker} (${writers} writers, ${loadConnections} for loads, 1 for dead letters)`;
  if (free >= perWorker) list.ok('connections', found);
  else list.warn('connections', found, 'Raise max_connections, or lower writers and loadConnections');
}

export function judgeUpkeep({ autovacuum, trackCounts }: ServerFacts, list: CheckList): void {
  if (autovacuum && trackCounts) list.ok('autovacuum', 'on');
  else {
    list.warn(
      'autovacuum',
      trackCounts ? 'off' : 'does nothing, since track_counts is off',
      'Turn it on: objects that are saved again and again leave dead rows behind',
    );
  }
}

/** Connections opened at a time; with so many, a pooler that shares servers shows it. */
const POOLER_CONNECTIONS = 3;

async function lookForPooler(first: Connection, options: Options, list: CheckList): Promise<void> {
  const { readBackendIdentity } = await import('../../store/backend-identity.ts');
  const identities = [await readBackendIdentity(first)];
  const nested = async (): Promise<void> => {
    if (identities.length === POOLER_CONNECTIONS) return;
    await withDatabase(options, 'doctor', async (connection) => {
      identities.push(await readBackendIdentity(connection));
      await nested();
    });
  };
  await nested();
  judgePooler(identities, list);
}

/** @param identities of connections that were open at the same time. */
export function judgePooler(identities: readonly BackendIdentity[], list: CheckList): void {
  const processes = new Set(identities.map(({ answering }) => answering));
  const announced = identities.every(
    (each) => each.announced === undefined || each.announced === each.answering,
  );
  if (processes.size < identities.length) {
    list.fail(
      'pooler',
      'a pooler hands out servers by transaction: settings and temporary tables of a session do not hold',
      'Connect workers to PostgreSQL itself, or set pool_mode = session',
    );
  } else if (announced) {
    list.ok('pooler', 'none in between');
  } else {
    list.warn(
      'pooler',
      'a pooler or proxy is in between; it seems to keep sessions apart',
      'Make sure of pool_mode = session: by transaction, settings of a session do not hold',
    );
  }
}

export function judgeClock({ aheadMs, uncertaintyMs }: ClockDifference, list: CheckList): void {
  const differenceMs = Math.max(0, Math.abs(aheadMs) - uncertaintyMs);
  const found = `${aheadMs >= 0 ? '+' : '-'}${(Math.abs(aheadMs) / 1_000).toFixed(3)} s to this machine's`;
  if (differenceMs < CLOCK_WARN_MS) list.ok('clock', found);
  else {
    const advice =
      'Keep all clocks with NTP or chrony; a node whose clock is behind writes versions that are superseded';
    if (differenceMs < CLOCK_FAIL_MS) list.warn('clock', found, advice);
    else list.fail('clock', found, advice);
  }
}

export function judgeTimeZone({ timeZone }: ServerFacts, list: CheckList): void {
  if (/^(?:etc\/)?(?:utc|uct|gmt|zulu|universal)$/i.test(timeZone)) list.ok('time zone', timeZone);
  else {
    list.warn(
      'time zone',
      `${timeZone}; Holdfast writes created_at and updated_at in UTC`,
      "Other writers of goverse_objects should SET timezone = 'UTC', or their times differ",
    );
  }
}
