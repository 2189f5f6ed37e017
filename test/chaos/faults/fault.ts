/** What a fault is given, and how faults are described. */
import type { Client } from 'pg';
import type { Servers } from '../../servers/servers.ts';
import type { NodeChild } from '../harness/node-child.ts';
import type { Scratch } from '../harness/scratch.ts';
import type { WorkerPool } from '../harness/worker-pool.ts';
import type { Random } from '../workload/random.ts';

export interface World {
  readonly scratch: Scratch;
  readonly servers: Servers;
  readonly pool: WorkerPool;
  readonly nodes: readonly NodeChild[];
  /** A new session on the scratch database, past every proxy. The caller ends it. */
  readonly openSql: () => Promise<Client>;
  /** Aborts when everything is to be healed. */
  readonly signal: AbortSignal;
}

export interface Fault {
  readonly kind: string;
  /** Which server must be ours to stop; such faults run one at a time. */
  readonly server?: 'broker' | 'database';
  /** Does it and undoes it. Returns whether it came about: a kill at some moment needs that moment. */
  readonly inject: (world: World, random: Random) => Promise<boolean>;
}

/** Waits, but not longer than until everything is to be healed. */
export async function hold(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(done, ms);
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
    signal.addEventListener('abort', done);
  });
}
