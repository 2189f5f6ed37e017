/**
 * Drains: a backlog lies in the queues before the clock starts; it ends when the last command is committed. Every contender
 * begins in a fresh process with its connections open and nothing consumed.
 */

import { partitionOf } from '../../src/contract/partition.ts';
import type { CeilingCell, CeilingRun, CeilingSetup } from '../contenders/ceiling.ts';
import type { DirectRun, DirectSetup } from '../contenders/direct.ts';
import type { QueueDrainRun, QueueDrainSetup } from '../contenders/naive.ts';
import { type Framing, framesOf, PARTITIONS } from '../workloads/frames.ts';
import { idOf } from '../workloads/objects.ts';
import { plainMessagesOf } from '../workloads/plain-messages.ts';
import { commandsOf, expectedOf, type WorkloadSpec } from '../workloads/workload.ts';
import type { LastCommand } from './bench-database.ts';
import { Child } from './child.ts';
import { cpuBetween, type Rig } from './rig.ts';
import type { Sample } from './sample.ts';
import { WorkerProcess } from './worker.ts';

/** Far beyond any measurement: what takes so long is stuck. */
const STUCK_MS = 600_000;

/** Of a table that many measurements write to, so many rows of each are looked at. */
const CHECKED_ROWS = 5_000;

export async function drainByWorker(rig: Rig, spec: WorkloadSpec, framing: Framing): Promise<Sample> {
  await prepare(rig, spec);
  await rig.broker.publishFrames(framesOf(spec, framing));
  return await timeWorker(rig, spec, `holdfast (${framing} frames)`);
}

/** The frames are in their queues. `meanwhile` resolves when whatever else belongs to the drain is done. */
export async function timeWorker(
  rig: Rig,
  spec: WorkloadSpec,
  who: string,
  meanwhile: Promise<unknown> = Promise.resolve(),
): Promise<Sample> {
  const last = lastOfPartitions(spec);
  await rig.database.settle();
  const worker = new WorkerProcess(rig.installation, rig.processes);
  try {
    await worker.connected;
    const before = { ...rig.serverCpu(), process: worker.cpuSeconds() };
    const startedAt = performance.now();
    const signal = AbortSignal.any([rig.processes.signal, AbortSignal.timeout(STUCK_MS)]);
    await worker.during(Promise.all([rig.database.untilReached(last, signal), meanwhile]));
    const seconds = (performance.now() - startedAt) / 1_000;
    const after = { ...rig.serverCpu(), process: worker.cpuSeconds() };
    const sample = { count: spec.commands, seconds, cpu: cpuBetween(before, after) };
    const peakMemoryBytes = worker.peakMemoryBytes();
    await worker.stop();
    await verify(rig, spec, who);
    return { ...sample, peakMemoryBytes };
  } finally {
    worker.kill();
  }
}

export async function drainByConsumer(
  rig: Rig,
  spec: WorkloadSpec,
  script: 'naive' | 'sequential-batch',
): Promise<Sample> {
  await prepare(rig, spec);
  await rig.broker.publishPlain(plainMessagesOf(spec));
  const { amqpUrl, databaseUrl } = rig.installation;
  const setup: QueueDrainSetup = { amqpUrl, databaseUrl, queue: rig.broker.plainQueue };
  const child = await Child.start<QueueDrainRun>(script, setup, rig.processes);
  return await timeChild(rig, spec, script, child, { commands: spec.commands }, true);
}

export async function drainDirectly(rig: Rig, spec: WorkloadSpec): Promise<Sample> {
  await prepare(rig, spec);
  const { databaseUrl } = rig.installation;
  const setup: DirectSetup = { databaseUrl, spec };
  const child = await Child.start<DirectRun>('direct', setup, rig.processes);
  return await timeChild(rig, spec, 'direct', child, { write: true });
}

export async function drainInBulk(rig: Rig, spec: WorkloadSpec, cell: CeilingCell): Promise<Sample> {
  await prepare(rig, spec);
  const { databaseUrl } = rig.installation;
  const setup: CeilingSetup = { databaseUrl, spec, ...cell };
  const child = await Child.start<CeilingRun>('ceiling', setup, rig.processes);
  return await timeChild(rig, spec, `ceiling (${cell.strategy})`, child, { write: true });
}

async function prepare(rig: Rig, spec: WorkloadSpec): Promise<void> {
  rig.processes.signal.throwIfAborted();
  await rig.broker.purge();
  // Their table is filled once for all measurements.
  if (spec.kind === 'scattered') return;
  await rig.database.reset(spec.seedRows, spec.documentBytes);
}

async function timeChild<Run>(
  rig: Rig,
  spec: WorkloadSpec,
  who: string,
  child: Child<Run>,
  run: Run,
  hasQueue = false,
): Promise<Sample> {
  try {
    await rig.database.settle();
    const before = rig.serverCpu();
    const report = await child.run(run);
    const cpu = { ...cpuBetween(before, rig.serverCpu()), process: report.cpuSeconds };
    // The memory of those without a queue is that of the rows they were given.
    const peakMemoryBytes = hasQueue ? child.peakMemoryBytes : undefined;
    if (report.count !== spec.commands) throw new Error(`${who} did ${report.count} of ${spec.commands}`);
    await verify(rig, spec, who);
    return { count: report.count, seconds: report.seconds, cpu, peakMemoryBytes };
  } finally {
    await child.stop();
  }
}

async function verify(rig: Rig, spec: WorkloadSpec, who: string): Promise<void> {
  if (spec.kind !== 'scattered') {
    await rig.database.verify(expectedOf(spec), who);
    return;
  }
  const checked: LastCommand[] = [];
  for (const { index, version } of commandsOf(spec)) {
    checked.push({ id: idOf(index), version });
    if (checked.length === CHECKED_ROWS) break;
  }
  await rig.database.verifyVersions(checked, who);
}

/** A partition is written in order, so its last command tells about all of them. */
function lastOfPartitions(spec: WorkloadSpec): LastCommand[] {
  const last = new Map<number, LastCommand>();
  for (const { action, index, version } of commandsOf(spec)) {
    const id = idOf(index);
    last.set(partitionOf(id, PARTITIONS), { id, version: action === 'delete' ? 0 : version });
  }
  return [...last.values()];
}
