/** A large backlog and a large table. Fewer rounds, none thrown away: each takes long enough to even out. */
import { drainByWorker } from '../measure/drain.ts';
import { ceilings } from './ceiling-search.ts';
import { GROUPS, HOLDFAST_FULL, LARGE_BACKLOG, SMALL_BACKLOG } from './contender-names.ts';
import { holdfast, naive } from './drain-contenders.ts';
import type { PlannedGroup, Rounds } from './planned-group.ts';
import type { Scale } from './scale.ts';
import { type WorkloadSpec, workload } from './workload.ts';

const DOCUMENT_BYTES = 500;

const backlogRounds = ({ roundsOfLarge }: Scale): Rounds => ({ rounds: roundsOfLarge, warmUp: false });
const tableRounds = ({ rounds }: Scale): Rounds => ({ rounds, warmUp: false });

const count = (n: number): string => n.toLocaleString('en-US');

const of = (kind: 'new' | 'hot', commands: number): WorkloadSpec => workload(kind, commands, DOCUMENT_BYTES);

/** As many as take some ten seconds: it too has a first second in which it is slower. */
const slowBacklog = (kind: 'new' | 'hot', { batchDrain }: Scale): WorkloadSpec => of(kind, batchDrain);

export const LARGE_GROUPS: readonly PlannedGroup[] = [
  {
    id: GROUPS.largeBacklog,
    setUpSeconds: 0,
    roundSeconds: 245,
    rounds: backlogRounds,
    build: (context) => {
      const { scale } = context;
      return {
        id: GROUPS.largeBacklog,
        title: 'Drain of a large backlog',
        about:
          'All new, 500 bytes, full frames, one worker; and the best ways to write as many rows as the large backlog has ' +
          'without a queue.',
        unit: 'commands',
        ...backlogRounds(scale),
        contenders: [
          holdfast(context, of('new', scale.drain), 'full', SMALL_BACKLOG),
          holdfast(context, of('new', scale.largeBacklog), 'full', LARGE_BACKLOG),
          naive(context, slowBacklog('new', scale)),
          ...ceilings(context, () => of('new', scale.largeBacklog), 'new'),
        ],
      };
    },
  },
  {
    id: GROUPS.largeHot,
    setUpSeconds: 0,
    roundSeconds: 55,
    rounds: backlogRounds,
    build: (context) => {
      const { scale } = context;
      return {
        id: GROUPS.largeHot,
        title: 'Drain of a large backlog of 1,000 hot objects',
        about: "As above, with the commands going to 1,000 objects by Zipf's law.",
        unit: 'commands',
        ...backlogRounds(scale),
        contenders: [
          holdfast(context, of('hot', scale.largeBacklog), 'full', LARGE_BACKLOG),
          naive(context, slowBacklog('hot', scale)),
        ],
      };
    },
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
