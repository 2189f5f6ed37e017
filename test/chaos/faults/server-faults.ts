/** Faults of the servers: restarts, killed servers, ended sessions, locks held by strangers. */
import type { ServerControl } from '../../servers/servers.ts';
import { HOT_COUNT, objectId } from '../workload/objects.ts';
import type { Random } from '../workload/random.ts';
import { type Fault, hold, type World } from './fault.ts';

/** "hold" in ASCII: the namespace of the slot locks, part of the contract. */
const SLOT_NAMESPACE = 1_752_132_708;
const SLOT_COUNT = 64;

export const SERVER_FAULTS: readonly Fault[] = [
  {
    kind: 'RabbitMQ restart',
    server: 'broker',
    inject: ({ servers, signal }, random) => restart(servers.broker, 'orderly', random, signal),
  },
  {
    kind: 'RabbitMQ SIGKILL',
    server: 'broker',
    inject: ({ servers, signal }, random) => restart(servers.broker, 'kill', random, signal),
  },
  {
    kind: 'PostgreSQL restart',
    server: 'database',
    inject: ({ servers, signal }, random) => restart(servers.database, 'orderly', random, signal),
  },
  {
    kind: 'PostgreSQL SIGKILL',
    server: 'database',
    inject: ({ servers, signal }, random) => restart(servers.database, 'kill', random, signal),
  },
  {
    kind: 'pg_terminate_backend',
    inject: async (world) => {
      const sql = await world.openSql();
      try {
        const { rowCount } = await sql.query(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
           WHERE datname = current_database() AND application_name LIKE 'holdfast %' AND random() < 0.7`,
        );
        return (rowCount ?? 0) > 0;
      } finally {
        await sql.end().catch(() => undefined);
      }
    },
  },
  {
    kind: 'row lock of a stranger',
    inject: (world, random) => {
      const ids = Array.from({ length: 5 }, () => objectId(random.below(HOT_COUNT)));
      return holdLock(
        world,
        'SELECT 1 FROM goverse_objects WHERE object_id = ANY($1) FOR UPDATE',
        [ids],
        4_000,
      );
    },
  },
  {
    kind: 'slot lock of a stranger',
    inject: (world, random) =>
      holdLock(
        world,
        'SELECT pg_advisory_xact_lock($1, $2)',
        [SLOT_NAMESPACE, random.below(SLOT_COUNT)],
        4_000,
      ),
  },
];

async function restart(
  control: ServerControl | undefined,
  mode: 'orderly' | 'kill',
  random: Random,
  signal: AbortSignal,
): Promise<boolean> {
  if (control === undefined) return false;
  await control.stop(mode);
  await hold(random.between(0, 1_500), signal);
  await control.start();
  // Time to come back to work before the next.
  await hold(2_000, signal);
  return true;
}

async function holdLock(world: World, statement: string, values: unknown[], ms: number): Promise<boolean> {
  const sql = await world.openSql();
  try {
    await sql.query('BEGIN');
    const { rowCount } = await sql.query(statement, values);
    await hold(ms, world.signal);
    return (rowCount ?? 0) > 0;
  } finally {
    await sql.end().catch(() => undefined);
  }
}
