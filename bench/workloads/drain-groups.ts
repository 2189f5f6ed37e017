/** Drains of a backlog, by object size and by what the commands do. */
import type { Contender } from '../measure/sample.ts';
import { ceilings } from './ceiling-search.ts';
import { GROUPS } from './contender-names.ts';
import { direct, holdfast, naive, sequentialBatch } from './drain-contenders.ts';
import { type PlanContext, type PlannedGroup, usualRounds } from './planned-group.ts';
import type { Scale } from './scale.ts';
import { type WorkloadSpec, workload } from './workload.ts';

type Kind = WorkloadSpec['kind'];

interface Drain {
  readonly id: string;
  readonly title: string;
  readonly about: string;
  readonly roundSeconds: number;
  readonly contenders: (context: PlanContext, scale: Scale) => Contender[];
}

const drain = ({ id, title, about, roundSeconds, contenders }: Drain): PlannedGroup => ({
  id,
  setUpSeconds: 0,
  roundSeconds,
  rounds: usualRounds,
  build: (context) => ({
    id,
    title,
    about,
    unit: 'commands',
    ...usualRounds(context.scale),
    contenders: contenders(context, context.scale),
  }),
});

const of = (kind: Kind, commands: number): WorkloadSpec => workload(kind, commands, 500);

export const DRAIN_GROUPS: readonly PlannedGroup[] = [
  drain({
    id: GROUPS.drainNew,
    title: 'Drain: all new, 500 bytes',
    about:
      'The table is empty. Contenders that take ten times as long get a shorter backlog of the same; rates are per second.',
    roundSeconds: 60,
    contenders: (context, scale) => [
      holdfast(context, of('new', scale.drain), 'full'),
      naive(context, of('new', scale.slowDrain)),
      holdfast(context, of('new', scale.drain), 'single'),
      sequentialBatch(context, of('new', scale.batchDrain)),
      ...ceilings(context, () => of('new', scale.drain), 'new'),
      direct(context, of('new', scale.slowDrain)),
    ],
  }),
  drain({
    id: GROUPS.drainUpdates,
    title: 'Drain: all updates, 500 bytes',
    about: 'Every object exists and is updated once, in random order.',
    roundSeconds: 60,
    contenders: (context, scale) => [
      holdfast(context, of('updates', scale.drain), 'full'),
      naive(context, of('updates', scale.slowDrain)),
      sequentialBatch(context, of('updates', scale.batchDrain)),
      ...ceilings(context, () => of('updates', scale.drain), 'updates'),
      direct(context, of('updates', scale.slowDrain)),
    ],
  }),
  drain({
    id: GROUPS.drainHot,
    title: 'Drain: 1,000 hot objects, 500 bytes',
    about:
      "The commands go to 1,000 objects by Zipf's law: the hottest gets 13 % of them. The table is empty.",
    roundSeconds: 50,
    contenders: (context, scale) => [
      holdfast(context, of('hot', scale.drain), 'full'),
      naive(context, of('hot', scale.slowDrain)),
      holdfast(context, of('hot', scale.drain), 'single'),
      sequentialBatch(context, of('hot', scale.batchDrain)),
    ],
  }),
  drain({
    id: GROUPS.drainMix,
    title: 'Drain: 10 % deletes, 45 % updates, 45 % new, 500 bytes',
    about: 'Every object is touched once.',
    roundSeconds: 26,
    contenders: (context, scale) => [
      holdfast(context, of('mix', scale.drain), 'full'),
      naive(context, of('mix', scale.slowDrain)),
      sequentialBatch(context, of('mix', scale.batchDrain)),
    ],
  }),
  ...(
    [
      [GROUPS.drain2k, '2 kB', 2_000, 'drain2k'],
      [GROUPS.drain20k, '20 kB', 20_000, 'drain20k'],
    ] as const
  ).map(([id, size, bytes, amount]) =>
    drain({
      id,
      title: `Drain: all new, ${size}`,
      about: 'The table is empty. The ceilings are those that were best with 500 bytes.',
      roundSeconds: 25,
      contenders: (context, scale) => [
        holdfast(context, workload('new', scale[amount], bytes), 'full'),
        naive(context, workload('new', Math.ceil(scale[amount] / 2), bytes)),
        ...ceilings(context, () => workload('new', scale[amount], bytes), 'new'),
      ],
    }),
  ),
];
