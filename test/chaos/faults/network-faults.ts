/** Faults of the network between one process and one server. */
import type { Random } from '../workload/random.ts';
import { type Fault, hold, type World } from './fault.ts';
import type { FaultProxy, Traffic } from './fault-proxy.ts';

export const NETWORK_FAULTS: readonly Fault[] = [
  {
    kind: 'cut',
    inject: async (world, random) => {
      const proxy = pickProxy(world, random);
      proxy?.cut();
      return proxy !== undefined;
    },
  },
  {
    // A process has several connections to a server; the network loses them one by one.
    kind: 'one connection lost',
    inject: async (world, random) =>
      (await pickProxy(world, random)?.loseOne(random.next(), random.between(200, 2_000))) ?? false,
  },
  // Longer than two heartbeats of three seconds, and than PostgreSQL waits for data to be acknowledged.
  { kind: 'half-open', inject: (world, random) => disturb(world, random, { frozen: true }, 7_500) },
  {
    kind: 'delay',
    inject: (world, random) => disturb(world, random, { delayMs: 40 + random.below(160) }, 4_000),
  },
  {
    kind: 'slow drip',
    inject: (world, random) =>
      disturb(world, random, { dripBytes: 1_400, dripPauseMs: 2 + random.below(8) }, 4_000),
  },
];

async function disturb(world: World, random: Random, traffic: Traffic, ms: number): Promise<boolean> {
  const proxy = pickProxy(world, random);
  if (proxy === undefined) return false;
  const directions = random.pick([['up'], ['down'], ['up', 'down']] as const);
  proxy.disturb(traffic, ...directions);
  await hold(ms, world.signal);
  proxy.heal();
  return true;
}

function pickProxy({ pool, nodes }: World, random: Random): FaultProxy | undefined {
  const ofNode = random.chance(0.3);
  if (ofNode) return random.pick(nodes).amqp;
  const worker = pool.pick(random);
  return random.chance(0.5) ? worker?.amqp : worker?.database;
}
