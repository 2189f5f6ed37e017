/**
 * Goal: whatever the network does, every call settles once, nothing confirmed is missing, and the order of every object
 * holds. Method: random calls on few objects through a network that is cut and silenced at random moments, between a
 * client with small bounds and a worker at the wire; the seed is in the name of the test.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { HoldfastClient } from '../../src/client/client.ts';
import { within } from '../support/eventually.ts';
import type { TcpProxy } from '../support/tcp-proxy.ts';
import { openInstallation } from './installation.ts';
import type { ScriptedWorker } from './scripted-worker.ts';

const installation = await openInstallation();

const CALLS = 1_500;
const OBJECTS = 12;
const FAULTS_MAX = 25;

/** Mulberry32: small, and good enough to choose by. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Cuts, or silences one direction for a moment, when bytes pass. */
function disturb(proxy: TcpProxy, random: () => number): { readonly faults: number; stop(): void } {
  const state = { faults: 0, stopped: false };
  proxy.watch = () => {
    if (state.stopped || state.faults >= FAULTS_MAX || random() > 0.03) return undefined;
    state.faults += 1;
    if (random() < 0.6) {
      proxy.cut();
    } else {
      proxy.silence(random() < 0.5 ? 'up' : 'down');
      void delay(20).then(() => proxy.heal());
    }
    return undefined;
  };
  return {
    get faults() {
      return state.faults;
    },
    stop: () => {
      state.stopped = true;
    },
  };
}

interface Handed {
  /** By object: what its writes carry, in the order of the calls. */
  readonly writes: Map<string, number[]>;
  readonly calls: Promise<unknown>[];
}

/** Hands over one random call. Every write carries the next number, as its version as well. */
function call(client: HoldfastClient, random: () => number, n: number, { writes, calls }: Handed): void {
  const id = `object-${Math.floor(random() * OBJECTS)}`;
  const write = (): { id: string; version: number } => {
    writes.set(id, [...(writes.get(id) ?? []), n]);
    return { id, version: n };
  };
  const until = random() < 0.4 ? 'persisted' : 'confirmed';
  const kind = random();
  if (kind < 0.55) {
    calls.push(client.save({ ...write(), type: 'T', document: { n } }, { until }));
  } else if (kind < 0.65) {
    calls.push(client.delete(write(), { until }));
  } else if (kind < 0.85) {
    const before = writes.get(id)?.at(-1) ?? 0;
    calls.push(
      client.load(id).then(({ version }) => {
        expect(version).toBeGreaterThanOrEqual(before);
        expect(version === 0 || (writes.get(id) ?? []).includes(version)).toBe(true);
      }),
    );
  } else if (kind < 0.95) {
    calls.push(client.load(id, { consistency: 'committed' }));
  } else {
    const claimId = `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
    calls.push(
      client.claim(`claimed-${n % 5}`, { claimId }).then(({ epoch }) => expect(epoch).toBeGreaterThan(0)),
    );
  }
}

/** By object, what its writes carried, in the order in which they first arrived. */
function firstArrivals({ arrivals }: ScriptedWorker): Map<string, number[]> {
  const first = new Map<string, number[]>();
  for (const { command } of arrivals) {
    if (command.action !== 'save' && command.action !== 'delete') continue;
    const versions = first.get(command.id) ?? [];
    if (!versions.includes(command.version)) first.set(command.id, [...versions, command.version]);
  }
  return first;
}

test.each([1, 2, 3, 4, 5])(
  'every call settles and order holds, however the network breaks (seed %i)',
  async (seed) => {
    const random = randomFrom(seed);
    const worker = await installation.work();
    const { client, proxy } = await installation.connectThroughProxy({
      bufferItemsMax: 200,
      awaitingItemsMax: 60,
      frameCommandsMax: 10,
      framesInFlightMax: 1 + (seed % 4),
      loadTimeoutMs: 60_000,
    });
    const handed: Handed = { writes: new Map(), calls: [] };
    const network = disturb(proxy, random);
    for (let n = 1; n <= CALLS; n += 1) {
      call(client, random, n, handed);
      if (random() < 0.05) await new Promise((resolve) => setImmediate(resolve));
    }
    await within(25_000, 'the calls', Promise.all(handed.calls));
    network.stop();
    await client.flush();
    await client.close();
    expect(network.faults).toBeGreaterThan(0);
    expect(client.stats()).toMatchObject({
      bufferedItems: 0,
      bufferedBytes: 0,
      awaitingItems: 0,
      awaitingBytes: 0,
      waitingItems: 0,
      framesInFlight: 0,
      failures: {},
    });
    expect(firstArrivals(worker)).toStrictEqual(handed.writes);
  },
);
