/** The names under which contenders stand in results, since the table of ratios looks them up. */

export const GROUPS = {
  drainNew: 'drain-new',
  drainUpdates: 'drain-updates',
  drainHot: 'drain-hot',
  drainMix: 'drain-mix',
  drain2k: 'drain-2k',
  drain20k: 'drain-20k',
  poison: 'poison',
  saves: 'saves',
  steady: 'steady',
  loads: 'loads',
  largeBacklog: 'large-backlog',
  largeHot: 'large-hot',
  largeTable: 'large-table',
} as const;

export const HOLDFAST_FULL = 'holdfast: full frames';
export const HOLDFAST_SINGLE = 'holdfast: one command per frame';
export const NAIVE = 'naive';
export const SEQUENTIAL_BATCH = 'sequential batch';
export const DIRECT = 'direct';
/** What the names of all ceilings begin with. */
export const CEILING = 'ceiling:';

export const CLEAN = 'clean';
export const POISONED = 'with bad commands';

export const CLIENT_SAVE = 'holdfast: client save to confirm';
export const RABBITMQ_PUBLISH = 'RabbitMQ alone: publish to confirm';
export const RABBITMQ_CONSUME = 'RabbitMQ alone: consume and ack';

export const PERSISTED = 'holdfast: save to persisted';
export const QUEUE_AND_UPSERT = 'publish, deliver, one direct upsert';

export const loadsName = (way: 'ordered' | 'committed' | 'direct', concurrency: number): string =>
  `${way === 'direct' ? 'direct: SELECT by key' : `holdfast: ${way}`}, ${concurrency} concurrent`;

export const SMALL_BACKLOG = 'holdfast: small backlog';
export const LARGE_BACKLOG = 'holdfast: large backlog';
