/** What the project wants to reach, as ratios to what is measured beside it, and whether it does. */
import type { GroupResult } from '../measure/sample.ts';
import {
  CEILING,
  CLEAN,
  CLIENT_SAVE,
  GROUPS,
  HOLDFAST_FULL,
  HOLDFAST_SINGLE,
  LARGE_BACKLOG,
  loadsName,
  NAIVE,
  PERSISTED,
  POISONED,
  QUEUE_AND_UPSERT,
  RABBITMQ_PUBLISH,
  SMALL_BACKLOG,
} from '../workloads/contender-names.ts';
import { contenderOf, cpuMicroseconds, latencyMs, peakMemoryBytes, rates } from './figures.ts';

interface Goal {
  readonly what: string;
  readonly unit: '×' | ' µs' | ' MB';
  readonly atLeast?: number;
  readonly atMost?: number;
  readonly value: (groups: readonly GroupResult[]) => number | undefined;
}

export interface Judged {
  readonly what: string;
  readonly goal: string;
  readonly measured: string;
  readonly verdict: 'reached' | 'SHORT' | 'not measured';
}

type Groups = readonly GroupResult[];

const rate = (groups: Groups, group: string, name: string): number | undefined => {
  const contender = contenderOf(groups, group, name);
  return contender && rates(contender)?.median;
};

const ceiling = (groups: Groups, group: string): number | undefined => {
  const medians = (groups.find(({ id }) => id === group)?.contenders ?? [])
    .filter(({ name }) => name.startsWith(CEILING))
    .flatMap((contender) => rates(contender)?.median ?? []);
  return medians.length === 0 ? undefined : Math.max(...medians);
};

const ratio = (value: number | undefined, to: number | undefined): number | undefined =>
  value === undefined || to === undefined ? undefined : value / to;

/** Over the large backlog the first second of a process evens out, while V8 has not compiled its code yet. */
const GOALS: readonly Goal[] = [
  {
    what: 'drain, all new, 500 bytes, full frames, to naive',
    unit: '×',
    atLeast: 10,
    value: (g) => ratio(rate(g, GROUPS.drainNew, HOLDFAST_FULL), rate(g, GROUPS.drainNew, NAIVE)),
  },
  {
    what: 'the same to the ceiling',
    unit: '×',
    atLeast: 0.9,
    value: (g) => ratio(rate(g, GROUPS.drainNew, HOLDFAST_FULL), ceiling(g, GROUPS.drainNew)),
  },
  {
    what: 'drain of the large backlog, all new, 500 bytes, full frames, to naive',
    unit: '×',
    atLeast: 10,
    value: (g) => ratio(rate(g, GROUPS.largeBacklog, LARGE_BACKLOG), rate(g, GROUPS.largeBacklog, NAIVE)),
  },
  {
    what: 'the same to the ceiling with as many rows',
    unit: '×',
    atLeast: 0.9,
    value: (g) => ratio(rate(g, GROUPS.largeBacklog, LARGE_BACKLOG), ceiling(g, GROUPS.largeBacklog)),
  },
  {
    what: 'drain, one command per frame, to naive',
    unit: '×',
    atLeast: 5,
    value: (g) => ratio(rate(g, GROUPS.drainNew, HOLDFAST_SINGLE), rate(g, GROUPS.drainNew, NAIVE)),
  },
  {
    what: 'drain, 1,000 hot objects, full frames, to naive',
    unit: '×',
    atLeast: 25,
    value: (g) => ratio(rate(g, GROUPS.drainHot, HOLDFAST_FULL), rate(g, GROUPS.drainHot, NAIVE)),
  },
  {
    what: 'the same with the large backlog',
    unit: '×',
    atLeast: 25,
    value: (g) => ratio(rate(g, GROUPS.largeHot, LARGE_BACKLOG), rate(g, GROUPS.largeHot, NAIVE)),
  },
  {
    what: 'worker CPU per command, full frames, 500 bytes, all new',
    unit: ' µs',
    atMost: 6,
    value: (g) => {
      const contender = contenderOf(g, GROUPS.drainNew, HOLDFAST_FULL);
      return contender && cpuMicroseconds(contender, 'process');
    },
  },
  {
    what: 'the same over the large backlog',
    unit: ' µs',
    atMost: 6,
    value: (g) => {
      const contender = contenderOf(g, GROUPS.largeBacklog, LARGE_BACKLOG);
      return contender && cpuMicroseconds(contender, 'process');
    },
  },
  {
    what: 'client `save` to confirm, one node, to one message per object with RabbitMQ alone',
    unit: '×',
    atLeast: 3,
    value: (g) => ratio(rate(g, GROUPS.saves, CLIENT_SAVE), rate(g, GROUPS.saves, RABBITMQ_PUBLISH)),
  },
  {
    what: 'committed loads at 64 concurrent, to `direct` SELECT by key',
    unit: '×',
    atLeast: 1,
    value: (g) =>
      ratio(
        rate(g, GROUPS.loads, loadsName('committed', 64)),
        rate(g, GROUPS.loads, loadsName('direct', 64)),
      ),
  },
  {
    what: '100 saves/s: median save to `persisted`, to publish + delivery + one upsert',
    unit: '×',
    atMost: 1.5,
    value: (g) => {
      const latency = (name: string): number | undefined => {
        const contender = contenderOf(g, GROUPS.steady, name);
        return contender && latencyMs(contender)?.median;
      };
      return ratio(latency(PERSISTED), latency(QUEUE_AND_UPSERT));
    },
  },
  {
    what: 'peak memory of a worker that drains the large backlog',
    unit: ' MB',
    atMost: 200,
    value: (g) => {
      const contender = contenderOf(g, GROUPS.largeBacklog, LARGE_BACKLOG);
      const bytes = contender && peakMemoryBytes(contender);
      return bytes === undefined ? undefined : bytes / 1e6;
    },
  },
  {
    what: 'drain rate of the large backlog to the small one',
    unit: '×',
    atLeast: 0.9,
    value: (g) =>
      ratio(rate(g, GROUPS.largeBacklog, LARGE_BACKLOG), rate(g, GROUPS.largeBacklog, SMALL_BACKLOG)),
  },
  {
    what: 'updates at random in the large table, to the ceiling there',
    unit: '×',
    atLeast: 0.9,
    value: (g) => ratio(rate(g, GROUPS.largeTable, HOLDFAST_FULL), ceiling(g, GROUPS.largeTable)),
  },
  {
    what: 'time of a drain with bad commands to a clean one',
    unit: '×',
    atMost: 1.5,
    value: (g) => ratio(rate(g, GROUPS.poison, CLEAN), rate(g, GROUPS.poison, POISONED)),
  },
];

export function judge(groups: Groups): Judged[] {
  return GOALS.map((goal) => {
    const { what, unit, atLeast, atMost } = goal;
    const value = goal.value(groups);
    const text = (n: number): string =>
      `${n >= 20 ? Math.round(n) : n.toFixed(2).replace(/\.?0+$/, '')}${unit}`;
    const wanted = atLeast === undefined ? `≤ ${text(atMost ?? 0)}` : `≥ ${text(atLeast)}`;
    if (value === undefined) return { what, goal: wanted, measured: '', verdict: 'not measured' };
    const reached = atLeast === undefined ? value <= (atMost ?? 0) : value >= atLeast;
    return { what, goal: wanted, measured: text(value), verdict: reached ? 'reached' : 'SHORT' };
  });
}
