/**
 * One run: servers are there; sets up, lets nodes publish while faults come and go, heals, waits until everything is
 * settled, collects, and asks the oracle. Bounded at every step, and cleaned up however it ends.
 */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from 'pg';
import type { Servers } from '../../servers/servers.ts';
import type { World } from '../faults/fault.ts';
import { faultKinds, planFaults, runFaults } from '../faults/fault-schedule.ts';
import type { NodeConfig } from '../nodes/node-config.ts';
import { judge } from '../oracle/judge.ts';
import { BAD_KINDS, type Violation, type ViolationKind } from '../oracle/violation.ts';
import { FILES, readHistories } from '../record/history-folder.ts';
import { nowUs } from '../workload/clock.ts';
import { Random } from '../workload/random.ts';
import { BacklogGovernor } from './backlog-governor.ts';
import { collectDatabase, collectLetters, undrainedQueues } from './collect.ts';
import { NodeChild } from './node-child.ts';
import { Scratch } from './scratch.ts';
import { sum } from './sum.ts';
import { WorkerPool } from './worker-pool.ts';

export interface ChaosPlan {
  readonly seed: number;
  readonly minutes: number;
  /** A new folder for the history. */
  readonly folder: string;
  readonly keep: boolean;
  readonly faultIntervalMs: number;
  readonly objects: number;
  /** Commands a second that each node begins at most. */
  readonly rateMax: number;
  readonly onProgress?: ((line: string) => void) | undefined;
  /** Ends the run early; it still cleans up. */
  readonly signal?: AbortSignal | undefined;
}

export interface ChaosResult {
  readonly held: boolean;
  readonly seed: number;
  readonly minutes: number;
  readonly versions: string;
  readonly folder: string;
  readonly confirmed: number;
  readonly answered: number;
  readonly sentTwice: number;
  readonly replayed: number;
  readonly auditRows: number;
  readonly letters: number;
  readonly workersStarted: number;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly faults: Readonly<Record<string, number>>;
  readonly missedFaults: Readonly<Record<string, number>>;
  readonly leftOut: readonly string[];
  readonly violations: Readonly<Record<ViolationKind, number>>;
  readonly examples: readonly Violation[];
  readonly notes: readonly string[];
}

const PARTITIONS = 16;
const OBJECT_NODES = 2;
const WORKERS_FIRST = 2;
/** Longer than a node waits by itself. */
const NODES_FINISH_MS = 700_000;
const PROGRESS_MS = 1_000;
/** Quorum queues must have aged before their server may be killed (test/servers/servers.ts). */
const SETTLE_MS = 1_500;

export async function runChaos(servers: Servers, plan: ChaosPlan): Promise<ChaosResult> {
  await mkdir(plan.folder, { recursive: true });
  const scratch = await Scratch.create(servers.amqpUrl, servers.databaseUrl, PARTITIONS);
  const pool = new WorkerPool(scratch, plan.folder);
  const nodes: NodeChild[] = [];
  const governor = new BacklogGovernor(scratch, nodes);
  const healing = new AbortController();
  const heal = (): void => healing.abort();
  plan.signal?.addEventListener('abort', heal);
  const world: World = {
    scratch,
    servers,
    pool,
    nodes,
    signal: healing.signal,
    openSql: () => openSql(scratch),
  };
  let held = false;
  try {
    await pool.scaleTo(WORKERS_FIRST, new Random(plan.seed));
    await pool.untilReady();
    await startNodes(nodes, scratch, plan);
    await delay(SETTLE_MS, plan.signal);
    governor.start();
    const startedAt = performance.now();
    const { possible, leftOut } = faultKinds(world);
    const durationMs = plan.minutes * 60_000;
    const schedule = planFaults(possible, plan.seed, durationMs, plan.faultIntervalMs);
    let lastFault = 'none';
    const progress = setInterval(() => {
      const seconds = Math.round((performance.now() - startedAt) / 1_000);
      const confirmed = sum(nodes, ({ counts }) => counts.confirmed);
      plan.onProgress?.(
        `${seconds} s, ${confirmed.toLocaleString('en-US')} confirmed, ${pool.running.length} workers, last fault: ${lastFault}`,
      );
    }, PROGRESS_MS);
    const over = setTimeout(heal, durationMs);
    const faults = await runFaults(schedule, world, (kind) => {
      lastFault = kind;
    });
    await delay(startedAt + durationMs - performance.now(), plan.signal);
    clearTimeout(over);
    await writeFile(join(plan.folder, 'faults.json'), JSON.stringify(faults.log, null, 1));
    heal();
    const healedAt = performance.now();
    plan.onProgress?.('healing and draining');
    await healAll(world);
    const notReady = await pool.untilReady();
    await governor.stop();
    const finished = await Promise.all(nodes.map((node) => node.finish(NODES_FINISH_MS)));
    clearInterval(progress);
    const nodeCrashes = nodes.flatMap(({ crash }) => crash ?? []);
    await pool.drainAll();
    const drainedMs = performance.now() - healedAt;
    plan.onProgress?.('collecting');
    const undrained = await undrainedQueues(scratch);
    const sql = await openSql(scratch);
    const { auditRows } = await collectDatabase(sql, plan.folder);
    await sql.end();
    const { letters, foreign } = await collectLetters(scratch, plan.folder);
    plan.onProgress?.('judging');
    const judgedAt = performance.now();
    const verdict = await judge(readHistories(plan.folder), {
      undrained: [...undrained, ...notReady],
      unsettled: finished.flatMap(({ unsettled }) => unsettled),
      malformedReplies: finished.flatMap(({ malformedReplies }) => malformedReplies),
      crashes: [...pool.crashes, ...nodeCrashes],
      foreignLetters: foreign,
    });
    held = BAD_KINDS.every((kind) => verdict.counts[kind] === 0);
    return {
      held,
      seed: plan.seed,
      minutes: (healedAt - startedAt) / 60_000,
      versions: servers.describe,
      folder: plan.folder,
      confirmed: sum(nodes, ({ counts }) => counts.confirmed),
      answered: sum(nodes, ({ counts }) => counts.answered),
      sentTwice: sum(nodes, ({ counts }) => counts.sentTwice),
      replayed: sum(nodes, ({ counts }) => counts.replayed),
      auditRows,
      letters,
      workersStarted: pool.startedCount,
      outcomes: addAll(nodes.map(({ counts }) => counts.outcomes)),
      faults: Object.fromEntries(faults.counts),
      missedFaults: Object.fromEntries(faults.missed),
      leftOut,
      violations: verdict.counts,
      examples: verdict.examples,
      notes: [
        `nodes held ${governor.holds} times until workers had caught up`,
        `healed and drained within ${(drainedMs / 1_000).toFixed(1)} s, judged in ${((performance.now() - judgedAt) / 1_000).toFixed(1)} s`,
        ...faults.errors,
      ],
    };
  } finally {
    plan.signal?.removeEventListener('abort', heal);
    heal();
    await governor.stop();
    await Promise.all([pool.close(), ...nodes.map((node) => node.end())]);
    await healServers(servers);
    await scratch.remove();
    if (held && !plan.keep) await rm(plan.folder, { recursive: true, force: true });
  }
}

async function startNodes(nodes: NodeChild[], scratch: Scratch, plan: ChaosPlan): Promise<void> {
  const ownership = { seed: plan.seed, nodes: OBJECT_NODES, startedAtUs: nowUs(), moveIntervalMs: 4_000 };
  const config = (process: number, name: string): NodeConfig => ({
    process,
    name,
    amqpUrl: scratch.amqpUrl,
    prefix: scratch.prefix,
    partitions: scratch.partitions,
    seed: plan.seed,
    objects: plan.objects,
    ownership,
    eventsFile: join(plan.folder, FILES.events(name)),
    pendingMax: 20_000,
    rateMax: plan.rateMax,
  });
  for (let node = 0; node < OBJECT_NODES; node += 1) {
    nodes.push(await NodeChild.start('object-node', config(node, `node-${node}`)));
  }
  nodes.push(await NodeChild.start('raw-node', config(OBJECT_NODES, 'raw')));
  await Promise.all(nodes.map(({ ready }) => ready));
}

async function healServers({ broker, database }: Servers): Promise<void> {
  await Promise.allSettled([broker?.start(), database?.start()]);
}

async function healAll({ servers, pool, nodes }: World): Promise<void> {
  await healServers(servers);
  for (const node of nodes) node.amqp.heal();
  for (const worker of pool.running) {
    worker.thaw();
    worker.amqp.heal();
    worker.database.heal();
  }
  if (pool.running.length === 0) await pool.add();
}

async function openSql(scratch: Scratch): Promise<Client> {
  const client = new Client({ connectionString: scratch.databaseUrl, connectionTimeoutMillis: 5_000 });
  // Sessions are ended on purpose.
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

async function delay(ms: number, signal: AbortSignal | undefined): Promise<void> {
  if (ms <= 0 || signal?.aborted === true) return;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(done, ms);
    function done(): void {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    }
    signal?.addEventListener('abort', done);
  });
}

function addAll(counts: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const total: Record<string, number> = {};
  for (const one of counts)
    for (const [name, count] of Object.entries(one)) total[name] = (total[name] ?? 0) + count;
  return total;
}
