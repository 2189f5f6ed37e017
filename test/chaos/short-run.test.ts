/**
 * A short run of the whole: worker and node processes, every kind of fault that the servers allow, and the oracle. Fewer
 * faults than `npm run chaos`, the same promises. CHAOS_SEED repeats a run with the seed that it printed.
 */
import { randomInt } from 'node:crypto';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, inject, it } from 'vitest';
import { runChaos } from './harness/chaos-run.ts';
import { describeResult } from './harness/result-table.ts';
import { BAD_KINDS } from './oracle/violation.ts';

const LIMIT_MS = 240_000;

it(
  'loses nothing and stores nothing stale while everything is broken in turn',
  async () => {
    const seed = Number(process.env['CHAOS_SEED'] ?? randomInt(1, 2_147_483_647));
    console.log(`chaos: seed ${seed}, repeat with CHAOS_SEED=${seed}`);
    const result = await runChaos(
      {
        amqpUrl: inject('amqpUrl'),
        databaseUrl: inject('databaseUrl'),
        source: 'given',
        describe: 'the servers of the tests',
        // Other tests use them too: they are not ours to restart.
        broker: undefined,
        database: undefined,
        stop: async () => undefined,
      },
      {
        seed,
        minutes: 0.6,
        folder: await mkdtemp(join(tmpdir(), 'holdfast-chaos-')),
        keep: false,
        faultIntervalMs: 2_600,
        objects: 5_000,
        rateMax: 1_500,
      },
    );
    if (!result.held) console.log(describeResult(result));
    expect(BAD_KINDS.filter((kind) => result.violations[kind] > 0)).toEqual([]);
    expect(result.confirmed).toBeGreaterThan(10_000);
  },
  LIMIT_MS,
);
