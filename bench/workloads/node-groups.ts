/** What object nodes do: save at full speed, save now and then and wait, load. */
import type { ClientRun } from '../contenders/holdfast-client.ts';
import type { RabbitmqRun } from '../contenders/rabbitmq-alone.ts';
import { Cast } from '../measure/node.ts';
import type { Rig } from '../measure/rig.ts';
import {
  CLIENT_SAVE,
  GROUPS,
  loadsName,
  PERSISTED,
  QUEUE_AND_UPSERT,
  RABBITMQ_CONSUME,
  RABBITMQ_PUBLISH,
} from './contender-names.ts';
import { PARTITIONS } from './frames.ts';
import { plainMessagesOf } from './plain-messages.ts';
import { type PlannedGroup, usualRounds } from './planned-group.ts';
import { workload } from './workload.ts';

const DOCUMENT_BYTES = 500;
const STEADY_PER_SECOND = 100;
const CONCURRENCY = [1, 64, 512];

const startClient = (cast: Cast, { installation: { amqpUrl, prefix } }: Rig): Promise<void> =>
  cast.start('holdfast-client', { amqpUrl, prefix, partitions: PARTITIONS });

const savesGroup: PlannedGroup = {
  id: GROUPS.saves,
  setUpSeconds: 2,
  roundSeconds: 12,
  rounds: usualRounds,
  build: ({ rig, scale }) => {
    const cast = new Cast(rig);
    const saves = { commands: scale.saves, documentBytes: DOCUMENT_BYTES };
    const { amqpUrl } = rig.installation;
    return {
      id: GROUPS.saves,
      title: 'Publishing: one node at full speed, 500 bytes',
      about:
        'No worker and no database. One call of `save` per object, up to 10,000 not confirmed yet, beside one persistent ' +
        'message per object to one quorum queue with confirms, up to 1,000 not confirmed yet. Both make JSON of objects.',
      unit: 'saves or messages',
      ...usualRounds(scale),
      setUp: async () => {
        await startClient(cast, rig);
        await cast.start('rabbitmq-alone', { amqpUrl, queue: rig.broker.plainQueue });
      },
      tearDown: async () => {
        await cast.end();
        await rig.broker.purge();
      },
      contenders: [
        {
          name: CLIENT_SAVE,
          measure: async () => {
            await rig.broker.purge();
            return await cast.run('holdfast-client', { saves } satisfies ClientRun);
          },
        },
        {
          name: RABBITMQ_PUBLISH,
          measure: async () => {
            await rig.broker.purge();
            return await cast.run('rabbitmq-alone', { publish: saves } satisfies RabbitmqRun);
          },
        },
        {
          name: RABBITMQ_CONSUME,
          measure: async () => {
            await rig.broker.purge();
            await rig.broker.publishPlain(plainMessagesOf(workload('new', scale.saves, DOCUMENT_BYTES)));
            return await cast.run('rabbitmq-alone', { consume: saves } satisfies RabbitmqRun);
          },
        },
      ],
    };
  },
};

const steadyGroup: PlannedGroup = {
  id: GROUPS.steady,
  setUpSeconds: 3,
  roundSeconds: 22,
  rounds: usualRounds,
  build: ({ rig, scale }) => {
    const cast = new Cast(rig);
    const steady = {
      perSecond: STEADY_PER_SECOND,
      seconds: scale.steadySeconds,
      documentBytes: DOCUMENT_BYTES,
    };
    const { amqpUrl, databaseUrl } = rig.installation;
    return {
      id: GROUPS.steady,
      title: `Latency at ${STEADY_PER_SECOND} saves a second, 500 bytes`,
      about:
        'An idle installation with one worker. From the call of `save` until a worker has committed and answered, beside a ' +
        'confirmed publish, its delivery, and one upsert, without an answer.',
      unit: 'saves',
      ...usualRounds(scale),
      setUp: async () => {
        await rig.broker.purge();
        await cast.startWorker();
        await startClient(cast, rig);
        await cast.start('queue-and-upsert', { amqpUrl, databaseUrl, queue: rig.broker.plainQueue });
      },
      tearDown: () => cast.end(),
      contenders: [
        {
          name: PERSISTED,
          measure: async () => {
            await rig.database.reset(0, DOCUMENT_BYTES);
            return await cast.run('holdfast-client', { steady } satisfies ClientRun);
          },
        },
        {
          name: QUEUE_AND_UPSERT,
          measure: async () => {
            await rig.database.reset(0, DOCUMENT_BYTES);
            return await cast.run('queue-and-upsert', steady);
          },
        },
      ],
    };
  },
};

const loadsGroup: PlannedGroup = {
  id: GROUPS.loads,
  setUpSeconds: 6,
  roundSeconds: 20,
  rounds: usualRounds,
  build: ({ rig, scale }) => {
    const cast = new Cast(rig);
    const { databaseUrl } = rig.installation;
    const load = (way: 'ordered' | 'committed' | 'direct', concurrency: number) => ({
      name: loadsName(way, concurrency),
      measure: () =>
        cast.run(way === 'direct' ? 'direct' : 'holdfast-client', {
          load: {
            consistency: way === 'ordered' ? 'ordered' : 'committed',
            concurrency,
            seconds: scale.loadSeconds,
            objects: scale.loadObjects,
          },
        } satisfies ClientRun),
    });
    return {
      id: GROUPS.loads,
      title: 'Loads of random objects, 500 bytes',
      about:
        'One node that loads one object after the other in so many loops, one worker; `direct` selects by key through a ' +
        'pool of 25 connections.',
      unit: 'loads',
      ...usualRounds(scale),
      setUp: async () => {
        await rig.broker.purge();
        await rig.database.reset(scale.loadObjects, DOCUMENT_BYTES);
        await cast.startWorker();
        await startClient(cast, rig);
        await cast.start('direct', { databaseUrl });
      },
      tearDown: () => cast.end(),
      contenders: CONCURRENCY.flatMap((concurrency) => [
        load('committed', concurrency),
        load('direct', concurrency),
        load('ordered', concurrency),
      ]),
    };
  },
};

export const NODE_GROUPS: readonly PlannedGroup[] = [savesGroup, steadyGroup, loadsGroup];
