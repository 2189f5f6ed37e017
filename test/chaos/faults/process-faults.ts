/** Faults of worker processes: killed at any moment, or at the two worst; stopped and woken; more and fewer. */
import type { Client } from 'pg';
import {
  COMMITTED_CHANNEL,
  HOOK_BEFORE_COMMIT,
  HOOK_COMMITTED,
  HOOK_NAMESPACE,
} from '../harness/audit-trail.ts';
import type { WorkerProcess } from '../harness/worker-process.ts';
import { type Fault, hold, type World } from './fault.ts';

/** How long a moment is waited for. */
const MOMENT_MS = 5_000;

export const PROCESS_FAULTS: readonly Fault[] = [
  {
    kind: 'SIGKILL',
    inject: async (world, random) => {
      const worker = world.pool.pick(random);
      if (worker === undefined) return false;
      await worker.kill();
      await replace(world, random.between(100, 1_500));
      return true;
    },
  },
  {
    kind: 'SIGKILL before commit',
    inject: async (world, random) => {
      const worker = await killBeforeCommit(world, random.chance(0.5));
      if (worker !== undefined) await replace(world, 300);
      return worker !== undefined;
    },
  },
  {
    kind: 'SIGKILL between commit and ack',
    inject: async (world, random) => {
      const worker = world.pool.pick(random);
      if (worker === undefined || !(await killAfterCommit(world, worker))) return false;
      await replace(world, 300);
      return true;
    },
  },
  {
    // Past two heartbeats, so that its partitions go to others while it still has its transactions open.
    kind: 'SIGSTOP, SIGCONT',
    inject: async (world, random) => {
      const worker = world.pool.pick(random);
      if (worker === undefined) return false;
      worker.freeze();
      await hold(random.between(7_000, 9_000), world.signal);
      worker.thaw();
      return true;
    },
  },
  {
    kind: 'workers 1 <-> 4',
    inject: async ({ pool, signal }, random) => {
      const before = pool.running.length;
      const count = before > 2 ? 1 : 4;
      await pool.scaleTo(count, random);
      await hold(1_500, signal);
      if (count === 1) await pool.scaleTo(2, random);
      return before !== count;
    },
  },
];

async function replace({ pool, signal }: World, afterMs: number): Promise<void> {
  await hold(afterMs, signal);
  await pool.add();
}

/**
 * Holds every writing transaction between its last change and its commit, and kills the worker of the first that comes
 * there.
 *
 * @param withSession whether its sessions are ended as well: a small batch is committed by the statement that writes it,
 *   though the worker be dead by then.
 */
async function killBeforeCommit(world: World, withSession: boolean): Promise<WorkerProcess | undefined> {
  const sql = await world.openSql();
  try {
    await sql.query('SELECT pg_advisory_lock($1, $2)', [HOOK_NAMESPACE, HOOK_BEFORE_COMMIT]);
    const deadline = performance.now() + MOMENT_MS;
    while (performance.now() < deadline) {
      const worker = world.pool.byName(await waitingWorker(sql));
      if (worker?.running === true && !worker.ending) {
        await worker.kill();
        if (withSession) await endSessions(sql, worker.name);
        return worker;
      }
      await hold(5, world.signal);
    }
    return undefined;
  } finally {
    // Ends the session, and with it the lock.
    await sql.end().catch(() => undefined);
  }
}

async function endSessions(sql: Client, worker: string): Promise<void> {
  await sql.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE datname = current_database() AND application_name = $1`,
    [`holdfast ${worker}`],
  );
}

/** Name of a worker with a transaction that waits at a hook; empty if there is none. */
export async function waitingWorker(sql: Client, hook = HOOK_BEFORE_COMMIT): Promise<string> {
  const { rows } = await sql.query<{ name: string }>(
    `SELECT substring(a.application_name from 'holdfast (.*)') AS name
     FROM pg_locks l JOIN pg_stat_activity a USING (pid)
     WHERE l.locktype = 'advisory' AND NOT l.granted AND l.classid = $1::bigint::oid AND l.objid = $2::bigint::oid
       AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
     LIMIT 1`,
    [HOOK_NAMESPACE, hook],
  );
  return rows[0]?.name ?? '';
}

/** Holds back everything the worker sends to RabbitMQ, waits until it has committed something, and kills it. */
async function killAfterCommit(world: World, worker: WorkerProcess): Promise<boolean> {
  const sql = await world.openSql();
  try {
    await sql.query('SELECT pg_advisory_lock($1, $2)', [HOOK_NAMESPACE, HOOK_COMMITTED]);
    const committed = new Promise<boolean>((resolve) => {
      sql.on('notification', ({ payload }) => {
        if (payload === `holdfast ${worker.name}`) resolve(true);
      });
      sql.on('error', () => resolve(false));
      void hold(MOMENT_MS, world.signal).then(() => resolve(false));
    });
    await sql.query(`LISTEN ${COMMITTED_CHANNEL}`);
    worker.amqp.disturb({ frozen: true }, 'up');
    const came = await committed;
    if (came && worker.running && !worker.ending) {
      await worker.kill();
      return true;
    }
    worker.amqp.heal({ reset: false });
    return false;
  } finally {
    await sql.end().catch(() => undefined);
  }
}
