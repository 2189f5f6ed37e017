/** Consumes one partition: deliveries into the backlog, and out of it again when their channel is gone. */
import type { BrokerConnection } from '../broker/broker-connection.ts';
import type { BrokerError } from '../broker/broker-error.ts';
import { QueueConsumer } from '../broker/queue-consumer.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Backlog, PartitionBacklog } from './backlog.ts';
import type { InFlight } from './in-flight.ts';
import { consumerPriority } from './rendezvous.ts';
import { type PartitionKey, WorkFrame } from './work-frame.ts';

export interface PartitionConsumerOptions {
  readonly key: PartitionKey;
  readonly queue: string;
  readonly workerName: string;
  readonly backlog: Backlog;
  readonly inFlight: InFlight;
  readonly metrics: Metrics;
  readonly onOpen: () => void;
  readonly onLost: (error: BrokerError) => void;
  readonly retryDelayMsMin: number;
  readonly retryDelayMsMax: number;
}

export class PartitionConsumer {
  readonly key: PartitionKey;
  readonly #consumer: QueueConsumer;
  readonly #partition: PartitionBacklog;
  /** What this channel asked for; a reopened one asks anew. */
  #prefetchFrames = 0;

  constructor(connection: BrokerConnection, options: PartitionConsumerOptions) {
    const { key, queue, workerName, backlog, inFlight, metrics } = options;
    this.key = key;
    this.#partition = backlog.partition(key);
    this.#consumer = new QueueConsumer(connection, {
      queue,
      priority: consumerPriority(workerName, key),
      prefetchCount: () => {
        this.#prefetchFrames = inFlight.prefetchFrames;
        return this.#prefetchFrames;
      },
      onDelivery: (delivery) => {
        metrics.deliveries.inc();
        const frame = new WorkFrame(delivery, key);
        inFlight.add(frame);
        backlog.add(this.#partition, frame);
        if (inFlight.exceeded && inFlight.prefetchFrames < this.#prefetchFrames) void this.#consumer.reopen();
      },
      onOpen: options.onOpen,
      onLost: (error) => {
        for (const frame of backlog.dropReturned(this.#partition)) inFlight.remove(frame);
        options.onLost(error);
      },
      retryDelayMsMin: options.retryDelayMsMin,
      retryDelayMsMax: options.retryDelayMsMax,
    });
  }

  start(): void {
    this.#consumer.start();
  }

  get open(): boolean {
    return this.#consumer.open;
  }

  get lastError(): BrokerError | undefined {
    return this.#consumer.lastError;
  }

  async close(): Promise<void> {
    await this.#consumer.close();
  }
}
