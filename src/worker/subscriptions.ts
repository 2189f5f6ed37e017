/**
 * The queues a worker consumes: the partitions of the configured number, those of any other number that still has
 * queues (so that they drain while publishers move), and the unordered loads. Announces them, hands them over, and
 * watches that none falls silent.
 */
import { Broadcast } from '../broker/broadcast.ts';
import type { BrokerConnection } from '../broker/broker-connection.ts';
import { QueueConsumer } from '../broker/queue-consumer.ts';
import { readQueue } from '../broker/topology.ts';
import type { Options } from '../config/options.ts';
import { PARTITION_COUNT_MAX } from '../contract/limits.ts';
import { commandsQueue, type Names } from '../contract/names.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Backlog } from './backlog.ts';
import type { LoadResponder } from './load-responder.ts';
import { Ownership } from './ownership.ts';
import { PartitionConsumer } from './partition-consumer.ts';
import { idealOwner } from './rendezvous.ts';
import { StalledQueues } from './stalled-queues.ts';
import type { PartitionKey, WorkFrame } from './work-frame.ts';

export interface SubscriptionsOptions {
  readonly connection: BrokerConnection;
  readonly options: Options;
  readonly names: Names;
  readonly workerName: string;
  readonly backlog: Backlog;
  readonly responder: LoadResponder;
  readonly metrics: Metrics;
  readonly logger: Logger;
  /** Told whenever a queue was subscribed to or lost. */
  readonly onChange: () => void;
}

/** From this major version on RabbitMQ moves a queue to a joining consumer of higher priority by itself. */
const PROMOTES_SINCE = 4;
/** RabbitMQ looks for consumers over their timeout once a minute, and its clock is another: two minutes before. */
const CONSUMER_TIMEOUT_MARGIN_MS = 2 * 60_000;
/** How often queues of other numbers of partitions are looked for, and channels renewed. */
const DISCOVERY_INTERVAL_MS = 10_000;

const PARTITION_COUNTS = Array.from({ length: Math.log2(PARTITION_COUNT_MAX) + 1 }, (_, i) => 2 ** i);

export class Subscriptions {
  readonly #given: SubscriptionsOptions;
  /** By the key objects that frames carry. */
  readonly #partitions = new Map<PartitionKey, PartitionConsumer>();
  readonly #loads: QueueConsumer;
  readonly #ownership: Ownership;
  readonly #broadcast: Broadcast;
  readonly #stalled: StalledQueues;
  #discovery: NodeJS.Timeout | undefined;
  #announced = false;
  #closed = false;

  constructor(given: SubscriptionsOptions) {
    const { connection, options, names, workerName, logger, responder } = given;
    this.#given = given;
    this.#loads = new QueueConsumer(connection, {
      ...options,
      queue: names.loadsQueue,
      prefetchCount: () => options.loadsPrefetch,
      onDelivery: (delivery) => responder.add(delivery),
      onOpen: () => this.#changed(),
      onLost: () => {
        responder.dropReturned();
        this.#changed();
      },
    });
    this.#ownership = new Ownership({
      workerName,
      partitions: () => [...this.#partitions.values()],
      brokerPromotes: () => connection.brokerMajorVersion >= PROMOTES_SINCE,
      logger,
    });
    this.#broadcast = new Broadcast(connection, {
      ...options,
      exchange: names.workersExchange,
      onMessage: (body) => this.#ownership.hear(body),
      onOpen: () => this.#ownership.announce(),
    });
    this.#stalled = new StalledQueues({
      connection,
      logger,
      ownPartitions: () =>
        [...this.#partitions.values()].filter(
          ({ key }) => idealOwner(this.#ownership.workers, key) === workerName,
        ),
    });
  }

  /** Begins to subscribe. */
  start(): void {
    this.#subscribe(this.#given.options.partitions);
    this.#loads.start();
    this.#broadcast.start();
    this.#stalled.start();
    void this.#discover();
  }

  /** Queues that are not subscribed to at present, with the reason as far as it is known; empty if all are. */
  get missing(): { readonly queue: string; readonly reason: string }[] {
    return [...this.#partitions.values(), this.#loads]
      .filter(({ open }) => !open)
      .map(({ queue, lastError }) => ({ queue, reason: lastError?.message ?? 'not subscribed yet' }));
  }

  get count(): number {
    return this.#partitions.size + 1;
  }

  /** The most returns to its queue of a frame that is neither settled nor given up; 0 if there is none. */
  get returnsMax(): number {
    return Math.max(0, ...[...this.#partitions.values()].map(({ returnsMax }) => returnsMax));
  }

  /** How long ago the oldest frame arrived that is neither settled nor given up, in milliseconds; 0 if there is none. */
  get oldestAgeMs(): number {
    return Math.max(0, ...[...this.#partitions.values()].map(({ oldestAgeMs }) => oldestAgeMs));
  }

  /** A frame is settled, or given up. */
  done(frame: WorkFrame): void {
    this.#partitions.get(frame.key)?.done(frame);
  }

  /** Tells the other workers that we leave. Safe twice, and before start. */
  leave(): void {
    this.#closed = true;
    clearTimeout(this.#discovery);
    this.#stalled.stop();
    this.#ownership.stop();
  }

  /** Acks what was settled, gives back the rest. Safe twice, and before start. */
  async close(): Promise<void> {
    this.leave();
    await Promise.all([...this.#partitions.values(), this.#loads].map((consumer) => consumer.close()));
    await this.#broadcast.close();
  }

  #subscribe(partitionCount: number): void {
    const { connection, options, names, workerName, backlog, metrics } = this.#given;
    for (let partition = 0; partition < partitionCount; partition += 1) {
      const key = { partitionCount, partition };
      const consumer = new PartitionConsumer(connection, {
        ...options,
        key,
        queue: commandsQueue(names, partitionCount, partition),
        workerName,
        backlog,
        metrics,
        handOverTimeoutMs: options.lockTimeoutMs,
        onOpen: () => this.#changed(),
        onActive: () => this.#ownership.becameActive(),
        onLost: () => this.#changed(),
      });
      this.#partitions.set(key, consumer);
      consumer.start();
    }
  }

  async #unsubscribe(partitionCount: number): Promise<void> {
    for (const [key, consumer] of this.#partitions) {
      if (key.partitionCount !== partitionCount) continue;
      await consumer.remove();
      this.#partitions.delete(key);
    }
    this.#changed();
  }

  #changed(): void {
    if (!this.#announced && this.missing.length === 0) {
      this.#announced = true;
      this.#ownership.start(this.#broadcast);
    }
    this.#given.onChange();
  }

  /** Renews channels before RabbitMQ closes them for deliveries that were not acked in time. */
  async #renew(): Promise<void> {
    const { options, logger } = this.#given;
    const renewAfterMs = Math.max(
      options.consumerTimeoutMs / 2,
      options.consumerTimeoutMs - CONSUMER_TIMEOUT_MARGIN_MS,
    );
    for (const partition of this.#partitions.values()) {
      if (partition.oldestUnackedAgeMs < renewAfterMs) continue;
      logger.warn({ queue: partition.queue }, 'renewing a channel before its consumer timeout');
      await partition.reopen();
    }
  }

  /** Finds queues of other numbers of partitions, and forgets those that were deleted. Never throws. */
  async #discover(): Promise<void> {
    const { connection, options, names, logger } = this.#given;
    const subscribed = new Set([...this.#partitions.keys()].map((key) => key.partitionCount));
    for (const partitionCount of PARTITION_COUNTS) {
      const { model } = connection;
      if (partitionCount === options.partitions || model === undefined || this.#closed) continue;
      try {
        const last = commandsQueue(names, partitionCount, partitionCount - 1);
        const exists = (await readQueue(model, last)) !== undefined;
        if (this.#closed || exists === subscribed.has(partitionCount)) continue;
        logger.info(
          { partitionCount },
          exists ? 'draining another number of partitions' : 'its queues are gone',
        );
        if (exists) this.#subscribe(partitionCount);
        else await this.#unsubscribe(partitionCount);
      } catch {
        // The connection is being lost; the next look tells.
      }
    }
    await this.#renew();
    if (this.#closed) return;
    this.#discovery = setTimeout(() => void this.#discover(), DISCOVERY_INTERVAL_MS);
  }
}
