/** Consumes one partition: deliveries into the backlog, and out of it again when their channel is gone. */
import type { BrokerConnection } from '../broker/broker-connection.ts';
import type { BrokerError } from '../broker/broker-error.ts';
import { QueueConsumer } from '../broker/queue-consumer.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Backlog, PartitionBacklog } from './backlog.ts';
import type { OwnedPartition } from './ownership.ts';
import { consumerPriority } from './rendezvous.ts';
import { type PartitionKey, WorkFrame } from './work-frame.ts';

export interface PartitionConsumerOptions {
  readonly key: PartitionKey;
  readonly queue: string;
  readonly workerName: string;
  readonly backlog: Backlog;
  /**
   * The same for every worker and every channel. RabbitMQ returns the frames of a lost channel behind those that returned
   * earlier: if a successor that asks for fewer is lost too, its frames come after the ones it did not get, and the
   * order of the partition is broken.
   */
  readonly prefetchFrames: number;
  readonly metrics: Metrics;
  /** How long a hand-over waits for what is being written. */
  readonly handOverTimeoutMs: number;
  readonly onOpen: () => void;
  /** The queue has begun to deliver to us. */
  readonly onActive: () => void;
  readonly onLost: (error: BrokerError) => void;
  readonly retryDelayMsMin: number;
  readonly retryDelayMsMax: number;
}

export class PartitionConsumer implements OwnedPartition {
  readonly key: PartitionKey;
  readonly queue: string;
  readonly #options: PartitionConsumerOptions;
  readonly #consumer: QueueConsumer;
  readonly #partition: PartitionBacklog;
  /** Delivered on a live channel and neither settled nor given up. */
  readonly #unsettled = new Set<WorkFrame>();
  #whenQuiet: (() => void) | undefined;
  #active = false;
  #deliveries = 0;
  #handingOver: Promise<void> | undefined;

  constructor(connection: BrokerConnection, options: PartitionConsumerOptions) {
    const { key, queue } = options;
    this.key = key;
    this.queue = queue;
    this.#options = options;
    this.#partition = options.backlog.partition(key);
    this.#consumer = new QueueConsumer(connection, {
      queue,
      priority: consumerPriority(options.workerName, key),
      prefetchCount: () => {
        // Before the new channel consumes: its first deliveries may come in one read with the answer to that.
        this.#partition.paused = false;
        return options.prefetchFrames;
      },
      onDelivery: (delivery) => this.#take(new WorkFrame(delivery, key)),
      onOpen: options.onOpen,
      onLost: (error) => {
        this.#setActive(false);
        for (const frame of options.backlog.dropReturned(this.#partition)) this.done(frame);
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

  get active(): boolean {
    return this.#active;
  }

  /** Deliveries so far, over all channels. */
  get deliveries(): number {
    return this.#deliveries;
  }

  /** Frames delivered and not settled. */
  get unsettled(): number {
    return this.#unsettled.size;
  }

  /** How long ago the oldest frame arrived that is neither settled nor given up, in milliseconds; 0 if there is none. */
  get oldestAgeMs(): number {
    for (const { delivery } of this.#unsettled) return performance.now() - delivery.receivedAt;
    return 0;
  }

  /** The same of those alone that the present channel delivered. */
  get oldestUnackedAgeMs(): number {
    for (const { delivery } of this.#unsettled) {
      if (delivery.live()) return performance.now() - delivery.receivedAt;
    }
    return 0;
  }

  /** The most returns to the queue of a frame that is neither settled nor given up; 0 if there is none. */
  get returnsMax(): number {
    let most = 0;
    for (const { delivery } of this.#unsettled) most = Math.max(most, delivery.returns);
    return most;
  }

  get lastError(): BrokerError | undefined {
    return this.#consumer.lastError;
  }

  /** The frame is settled, or given up. Safe twice. */
  done(frame: WorkFrame): void {
    if (!this.#unsettled.delete(frame)) return;
    if (frame.counted) this.#options.metrics.commandsInFlight.dec(frame.commandCount);
    if (this.#unsettled.size === 0) this.#whenQuiet?.();
  }

  /** Another worker has it now. */
  yielded(): void {
    if (this.#unsettled.size === 0) this.#setActive(false);
  }

  handOver(): Promise<void> {
    this.#handingOver ??= this.#handOver().finally(() => {
      this.#handingOver = undefined;
    });
    return this.#handingOver;
  }

  /** The queue is gone: closes for ever and forgets what came from it. */
  async remove(): Promise<void> {
    await this.#handOver();
    await this.close();
    for (const frame of this.#unsettled) this.done(frame);
    this.#options.backlog.remove(this.#partition);
  }

  /** Gives the queue back at once and subscribes again. */
  async reopen(): Promise<void> {
    await this.#consumer.reopen();
  }

  async close(): Promise<void> {
    await this.#consumer.close();
  }

  /**
   * n.b. The channel is closed, not cancelled: what is unacked then returns in order, before the next worker gets
   * anything. If the database holds a batch up longer than the timeout, its frames return as well; the slot lock and
   * the guard keep its late commit harmless.
   */
  async #handOver(): Promise<void> {
    if (!this.open) return;
    this.#partition.paused = true;
    for (const frame of this.#options.backlog.dropWaiting(this.#partition)) this.done(frame);
    await this.#quiet();
    await this.#consumer.reopen();
  }

  async #quiet(): Promise<void> {
    if (this.#unsettled.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, this.#options.handOverTimeoutMs);
      this.#whenQuiet = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#whenQuiet = undefined;
  }

  #take(frame: WorkFrame): void {
    const { metrics, backlog } = this.#options;
    metrics.deliveries.inc();
    if (frame.delivery.redelivered) metrics.redeliveries.inc();
    this.#deliveries += 1;
    this.#setActive(true);
    // What comes after a hand-over or a stop began is left unacked, and returns when the channel closes.
    if (!backlog.add(this.#partition, frame)) return;
    this.#unsettled.add(frame);
  }

  #setActive(active: boolean): void {
    if (this.#active === active) return;
    this.#active = active;
    this.#options.metrics.partitionOwned.set(this.key.partitionCount, this.key.partition, active);
    if (active) this.#options.onActive();
  }
}
