/** Asks the workers, on their own exchange, which partitions deliver to them. RabbitMQ's protocol cannot be asked that. */
import { Broadcast } from '../../broker/broadcast.ts';
import type { BrokerConnection } from '../../broker/broker-connection.ts';
import { decodeAnnouncement, encodeAnnouncement } from '../../worker/announcement.ts';

export interface WorkerPartitions {
  readonly worker: string;
  /** `<N>.<p>` of those that have delivered to it on its present channel, so an idle partition may be missing. */
  readonly active: readonly string[];
}

/** Workers answer at once, unless they are stopped or their event loop is busy for so long. */
const ANSWER_LIMIT_MS = 1_000;

const ASKING = encodeAnnouncement({
  worker: 'holdfast status',
  state: 'asking',
  partitionCounts: [],
  active: [],
});

/** Resolves when so many workers have answered, or when the rest takes too long. Sorted by name. */
export async function askWorkers(
  connection: BrokerConnection,
  exchange: string,
  expectedCount: number,
): Promise<WorkerPartitions[]> {
  if (expectedCount === 0) return [];
  const answers = new Map<string, WorkerPartitions>();
  await new Promise<void>((resolve) => {
    const timer = setTimeout(done, ANSWER_LIMIT_MS);
    const broadcast = new Broadcast(connection, {
      exchange,
      onMessage: (body) => {
        const announcement = decodeAnnouncement(body);
        if (announcement?.state !== 'here') return;
        answers.set(announcement.worker, announcement);
        if (answers.size >= expectedCount) done();
      },
      onOpen: () => broadcast.say(ASKING),
      retryDelayMsMin: ANSWER_LIMIT_MS,
      retryDelayMsMax: ANSWER_LIMIT_MS,
    });
    broadcast.start();
    function done(): void {
      clearTimeout(timer);
      void broadcast.close().then(resolve, resolve);
    }
  });
  return [...answers.values()].toSorted((one, other) => (one.worker < other.worker ? -1 : 1));
}
