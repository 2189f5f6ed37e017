/** Those who drain a backlog, each with the number of commands that it gets. */
import { drainByConsumer, drainByWorker, drainDirectly } from '../measure/drain.ts';
import type { Contender } from '../measure/sample.ts';
import { DIRECT, HOLDFAST_FULL, HOLDFAST_SINGLE, NAIVE, SEQUENTIAL_BATCH } from './contender-names.ts';
import type { Framing } from './frames.ts';
import type { PlanContext } from './planned-group.ts';
import type { WorkloadSpec } from './workload.ts';

const note = (spec: WorkloadSpec): string => `${spec.commands.toLocaleString('en-US')} commands`;

export const holdfast = (
  { rig }: PlanContext,
  spec: WorkloadSpec,
  framing: Framing,
  name = framing === 'full' ? HOLDFAST_FULL : HOLDFAST_SINGLE,
): Contender => ({ name, note: note(spec), measure: () => drainByWorker(rig, spec, framing) });

export const naive = ({ rig }: PlanContext, spec: WorkloadSpec): Contender => ({
  name: NAIVE,
  note: note(spec),
  measure: () => drainByConsumer(rig, spec, 'naive'),
});

export const sequentialBatch = ({ rig }: PlanContext, spec: WorkloadSpec): Contender => ({
  name: SEQUENTIAL_BATCH,
  note: note(spec),
  measure: () => drainByConsumer(rig, spec, 'sequential-batch'),
});

export const direct = ({ rig }: PlanContext, spec: WorkloadSpec): Contender => ({
  name: DIRECT,
  note: note(spec),
  measure: () => drainDirectly(rig, spec),
});
