/** A large backlog and a large table. Fewer rounds, none thrown away: each takes long enough to even out. */
import { drainByConsumer, drainByWorker } from '../measure/drain.ts';
import type { Contender } from '../measure/sample.ts';
import { ceilings } from './ceiling-search.ts';
import { GROUPS, HOLDFAST_FULL, LARGE_BACKLOG, NAIVE, SMALL_BACKLOG } from './contender-names.ts';
import type { PlanContext, PlannedGroup, Rounds } from './planned-group.ts';
import type { Scale } from './scale.ts';
import { type WorkloadSpec, workload } from './workload.ts';

const DOCUMENT_BYTES = 500;

const backlogRounds = ({ roundsOfLarge }: Scale): Rounds => ({ rounds: roundsOfLarge, warmUp: false });
const tableRounds = ({ rounds }: Scale): Rounds => ({ rounds, warmUp: false });

const count = (n: number): string => n.toLocaleString('en-US');

const backlog = ({ rig }: PlanContext, name: string, kind: 'new' | 'hot', commands: number): Contender => ({
  name,
  note: `${count(commands)} commands`,
  measure: () => drainByWorker(rig, workload(kind, commands, DOCUMENT_BYTES), 'full'),
});

/** As many as take some ten seconds: it too has a first second in which it is slower. */
const naive = ({ rig, scale }: PlanContext, kind: 'new' | 'hot'): Contender => ({
  name: NAIVE,
  note: `${count(scale.batchDrain)} commands`,
  measure: () => drainByConsumer(rig, workload(kind, scale.batchDrain, DOCUMENT_BYTES), 'naive'),
});

export const LARGE_GROUPS: readonly PlannedGroup[] = [
  {
    id: GROUPS.largeBacklog,
    setUpSeconds: 0,
    roundSeconds: 115,
    rounds: backlogRounds,
    build: (context) => {
      const { scale } = context;
      return {
        id: GROUPS.largeBacklog,
        title: 'Drain of a large backlog',
        about:
          'All new, 500 bytes, full frames, one worker; and the best way to write the same rows without a queue, which tells ' +
          'how much slower the table itself becomes as it grows.',
        unit: 'commands',
        ...backlogRounds(scale),
        contenders: [
          backlog(context, SMALL_BACKLOG, 'new', scale.drain),
          backlog(context, LARGE_BACKLOG, 'new', scale.largeBacklog),
          naive(context, 'new'),
          ...[scale.drain, scale.largeBacklog].flatMap((rows) => {
            const [best] = ceilings(context, () => workload('new', rows, DOCUMENT_BYTES), 'new');
            return best === undefined ? [] : [{ ...best, name: `${best.name}, ${count(rows)} in all` }];
          }),
        ],
      };
    },
  },
  {
    id: GROUPS.largeHot,
    setUpSeconds: 0,
    roundSeconds: 45,
    rounds: backlogRounds,
    build: (context) => ({
      id: GROUPS.largeHot,
      title: 'Drain of a large backlog of 1,000 hot objects',
      about: "As above, with the commands going to 1,000 objects by Zipf's law.",
      unit: 'commands',
      ...backlogRounds(context.scale),
      contenders: [backlog(context, LARGE_BACKLOG, 'hot', context.scale.largeBacklog), naive(context, 'hot')],
    }),
  },
  {
    id: GROUPS.largeTable,
    setUpSeconds: 180,
    roundSeconds: 60,
    rounds: tableRounds,
    build: (context) => {
      const { rig, scale } = context;
      let revision = 0;
      // Other rows each time: nobody profits from what the one before has brought into memory.
      const next = (): WorkloadSpec => {
        revision += 1;
        const spec = workload('scattered', scale.largeTableUpdates, DOCUMENT_BYTES, revision);
        return { ...spec, seedRows: scale.largeTableRows };
      };
      return {
        id: GROUPS.largeTable,
        title: `Updates at random in a table of ${count(scale.largeTableRows)} rows`,
        about:
          `${count(scale.largeTableUpdates)} updates of 500-byte objects all over the table, full frames, beside the best ` +
          'ways to do the same without a queue.',
        unit: 'commands',
        ...tableRounds(scale),
        setUp: () => rig.database.reset(scale.largeTableRows, DOCUMENT_BYTES),
        tearDown: () => rig.database.reset(0, DOCUMENT_BYTES),
        contenders: [
          { name: HOLDFAST_FULL, measure: () => drainByWorker(rig, next(), 'full') },
          ...ceilings(context, next, 'updates'),
        ],
      };
    },
  },
];
