/** The same drain clean and with bad commands of all kinds among the good ones. */
import { drainByWorker } from '../measure/drain.ts';
import { drainPoisoned } from '../measure/poison.ts';
import { REFUSED_TYPE } from './bad-commands.ts';
import { CLEAN, GROUPS, POISONED } from './contender-names.ts';
import { type PlannedGroup, usualRounds } from './planned-group.ts';
import { workload } from './workload.ts';

export const POISON_GROUP: PlannedGroup = {
  id: GROUPS.poison,
  setUpSeconds: 0,
  roundSeconds: 16,
  rounds: usualRounds,
  build: ({ rig, scale }) => {
    const spec = workload('new', scale.drain, 500);
    return {
      id: GROUPS.poison,
      title: 'Drain with bad commands',
      about:
        `All new, 500 bytes, full frames; ${scale.badCommands} bad ones spread over them: invalid, unstorable, in conflict, ` +
        'in the wrong partition, whole frames that cannot be read, and rows that only a constraint of the table refuses. ' +
        'Ends when every row is committed and every letter is there; the run fails unless there are exactly so many.',
      unit: 'good commands',
      ...usualRounds(scale),
      setUp: () =>
        rig.database.run(
          `ALTER TABLE goverse_objects ADD CONSTRAINT bench_refuses CHECK (object_type <> '${REFUSED_TYPE}')`,
        ),
      tearDown: () => rig.database.run('ALTER TABLE goverse_objects DROP CONSTRAINT IF EXISTS bench_refuses'),
      contenders: [
        { name: CLEAN, measure: () => drainByWorker(rig, spec, 'full') },
        { name: POISONED, measure: () => drainPoisoned(rig, spec, scale.badCommands) },
      ],
    };
  },
};
