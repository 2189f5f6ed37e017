/**
 * Notices a queue that has messages which nobody is given: a consumer that died silently, or a single active consumer
 * that RabbitMQ lost track of (rabbitmq-server#17317). Its owner then subscribes again.
 */
import type { BrokerConnection } from '../broker/broker-connection.ts';
import { readQueue } from '../broker/topology.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { PartitionConsumer } from './partition-consumer.ts';

export interface StalledQueuesOptions {
  readonly connection: BrokerConnection;
  readonly logger: Logger;
  /** The partitions that belong to us. */
  readonly ownPartitions: () => readonly PartitionConsumer[];
}

/** Quorum queues tell their counts up to 5 s late, so one look says nothing; three in a row without a delivery do. */
const LOOK_INTERVAL_MS = 15_000;
const LOOKS = 3;

interface Suspect {
  readonly deliveries: number;
  readonly looks: number;
}

export class StalledQueues {
  readonly #options: StalledQueuesOptions;
  readonly #suspects = new Map<PartitionConsumer, Suspect>();
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: StalledQueuesOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = setTimeout(() => void this.#watch(), LOOK_INTERVAL_MS);
  }

  /** Safe twice, and before start. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /** One look at all partitions of ours; returns those that were found stalled. Never throws. */
  async look(): Promise<PartitionConsumer[]> {
    const stalled: PartitionConsumer[] = [];
    for (const partition of this.#options.ownPartitions()) {
      if (await this.#isSuspect(partition)) {
        const before = this.#suspects.get(partition);
        const looks = before?.deliveries === partition.deliveries ? before.looks + 1 : 1;
        this.#suspects.set(partition, { deliveries: partition.deliveries, looks });
        if (looks >= LOOKS) stalled.push(partition);
      } else {
        this.#suspects.delete(partition);
      }
    }
    return stalled;
  }

  async #watch(): Promise<void> {
    for (const partition of await this.look()) {
      this.#options.logger.warn(
        { queue: partition.queue },
        'messages wait and none is delivered; subscribing again',
      );
      this.#suspects.delete(partition);
      await partition.reopen();
    }
    if (!this.#stopped) this.start();
  }

  /** Whether messages are ready although we wait for them. */
  async #isSuspect(partition: PartitionConsumer): Promise<boolean> {
    const { model } = this.#options.connection;
    if (model === undefined || !partition.open || partition.unsettled > 0) return false;
    try {
      const state = await readQueue(model, partition.queue);
      return state !== undefined && state.messages > 0 && partition.unsettled === 0;
    } catch {
      // The connection is being lost, which its supervisor tells.
      return false;
    }
  }
}
