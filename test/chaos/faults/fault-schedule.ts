/** Which fault when: drawn from the seed before the run, every kind as often as every other. */
import { nowUs } from '../workload/clock.ts';
import { Random, subSeed } from '../workload/random.ts';
import { type Fault, hold, type World } from './fault.ts';
import { NETWORK_FAULTS } from './network-faults.ts';
import { PROCESS_FAULTS } from './process-faults.ts';
import { SERVER_FAULTS } from './server-faults.ts';

export interface PlannedFault {
  readonly atMs: number;
  readonly fault: Fault;
  /** Of everything it chooses. */
  readonly seed: number;
}

const ALL: readonly Fault[] = [...NETWORK_FAULTS, ...PROCESS_FAULTS, ...SERVER_FAULTS];

/** Faults under way at a time. */
const CONCURRENT_MAX = 2;

/** The kinds that servers of this origin allow, and those they do not. */
export function faultKinds({ servers }: Pick<World, 'servers'>): {
  possible: readonly Fault[];
  leftOut: readonly string[];
} {
  const isPossible = ({ server }: Fault): boolean => server === undefined || servers[server] !== undefined;
  return {
    possible: ALL.filter(isPossible),
    leftOut: ALL.filter((fault) => !isPossible(fault)).map(({ kind }) => kind),
  };
}

/** Every kind once, shuffled, then all again, until the time is over. */
export function planFaults(
  faults: readonly Fault[],
  seed: number,
  durationMs: number,
  intervalMs: number,
): PlannedFault[] {
  const random = new Random(subSeed(seed, 77));
  const plan: PlannedFault[] = [];
  let deck: Fault[] = [];
  for (let atMs = intervalMs; atMs < durationMs; atMs += intervalMs * random.between(0.6, 1.4)) {
    if (deck.length === 0) deck = random.shuffled(faults);
    const fault = deck.pop();
    if (fault !== undefined) plan.push({ atMs, fault, seed: subSeed(seed, 78, plan.length) });
  }
  return plan;
}

export interface FaultCounts {
  readonly counts: Map<string, number>;
  /** Faults whose moment never came. */
  readonly missed: Map<string, number>;
  readonly errors: string[];
  /** For people who look for the cause of a violation. */
  readonly log: { readonly at: number; readonly kind: string }[];
}

/** Injects what was planned; resolves when the last is undone. */
export async function runFaults(
  plan: readonly PlannedFault[],
  world: World,
  onFault: (kind: string) => void,
): Promise<FaultCounts> {
  const startedAt = performance.now();
  const result: FaultCounts = { counts: new Map(), missed: new Map(), errors: [], log: [] };
  const running = new Set<Promise<void>>();
  let serverFault: Promise<void> = Promise.resolve();
  for (const { atMs, fault, seed } of plan) {
    await hold(startedAt + atMs - performance.now(), world.signal);
    while (running.size >= CONCURRENT_MAX) await Promise.race(running);
    // A server that is being restarted is enough to bear.
    await serverFault;
    if (fault.server !== undefined) await Promise.all(running);
    if (world.signal.aborted) break;
    onFault(fault.kind);
    result.log.push({ at: nowUs(), kind: fault.kind });
    const injected = injectOne(fault, seed, world, result).finally(() => running.delete(injected));
    running.add(injected);
    if (fault.server !== undefined) serverFault = injected;
  }
  await Promise.all(running);
  return result;
}

async function injectOne(fault: Fault, seed: number, world: World, result: FaultCounts): Promise<void> {
  const { kind } = fault;
  try {
    const came = await fault.inject(world, new Random(seed));
    const map = came ? result.counts : result.missed;
    map.set(kind, (map.get(kind) ?? 0) + 1);
  } catch (error) {
    result.errors.push(`${kind}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
