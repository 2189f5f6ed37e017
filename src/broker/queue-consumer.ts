/**
 * Consumes one queue on a channel of its own, with manual acks bound to the generation that delivered.
 *
 * n.b. A consumer never sends basic.cancel: with messages unacked that breaks the order of a queue with a single
 * active consumer. It closes its channel; what was unacked returns in order.
 */
import type { Channel, ConsumeMessage } from 'amqplib';
import { AckPrefix } from './ack-prefix.ts';
import type { BrokerConnection } from './broker-connection.ts';
import type { BrokerError } from './broker-error.ts';
import { openChannel, SupervisedChannel } from './supervised-channel.ts';

/** A message as the pipeline sees it. */
export interface Delivery {
  readonly body: Buffer;
  readonly type: string | undefined;
  readonly messageId: string | undefined;
  readonly replyTo: string | undefined;
  readonly correlationId: string | undefined;
  /** `app_id`: the node that published it. */
  readonly appId: string | undefined;
  /** Seconds since 1970, as AMQP has it. */
  readonly timestamp: number | undefined;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly redelivered: boolean;
  /** How often it has come back to its queue; quorum queues count that, others leave it 0. */
  readonly returns: number;
  readonly receivedAt: number;
  /** Whether the channel that delivered it still lives; if not, it has returned to its queue. */
  readonly live: () => boolean;
  /** Settles it for good. On a dead channel it does nothing: the message comes again. Acks go out in batches. */
  readonly settle: () => void;
}

export interface QueueConsumerOptions {
  readonly queue: string;
  /** Asked at each subscription, so a new channel may have another. */
  readonly prefetchCount: () => number;
  /** Consumer priority, which decides who is the single active consumer. */
  readonly priority?: number;
  /** Ack each delivery by itself, whatever is unsettled before it; without this acks go in the order of delivery. */
  readonly ackEach?: boolean;
  readonly onDelivery: (delivery: Delivery) => void;
  /** Everything delivered and not settled has returned to the queue. */
  readonly onLost: (error: BrokerError) => void;
  readonly onOpen?: () => void;
  readonly retryDelayMsMin: number;
  readonly retryDelayMsMax: number;
}

export class QueueConsumer {
  readonly queue: string;
  readonly #options: QueueConsumerOptions;
  readonly #supervised: SupervisedChannel<Channel>;
  #acks: ChannelAcks | undefined;

  constructor(connection: BrokerConnection, options: QueueConsumerOptions) {
    this.queue = options.queue;
    this.#options = options;
    this.#supervised = new SupervisedChannel(connection, {
      create: openChannel,
      setup: (channel) => this.#subscribe(channel),
      onOpen: () => options.onOpen?.(),
      onLost: (_channel, error) => {
        if (this.#acks !== undefined) this.#acks.live = false;
        options.onLost(error);
      },
      retryDelayMsMin: options.retryDelayMsMin,
      retryDelayMsMax: options.retryDelayMsMax,
    });
  }

  start(): void {
    this.#supervised.start();
  }

  get open(): boolean {
    return this.#supervised.channel !== undefined;
  }

  get lastError(): BrokerError | undefined {
    return this.#supervised.lastError;
  }

  /** Gives the queue back and subscribes again. */
  async reopen(): Promise<void> {
    this.#acks?.finish();
    await this.#supervised.reopen();
  }

  /** Acks what was settled, then closes for ever; the rest returns to the queue. Safe twice, and before start. */
  async close(): Promise<void> {
    this.#acks?.finish();
    await this.#supervised.close();
  }

  async #subscribe(channel: Channel): Promise<void> {
    const acks = new ChannelAcks(channel, this.#options.ackEach === true);
    this.#acks = acks;
    await channel.prefetch(this.#options.prefetchCount());
    await channel.consume(
      this.queue,
      (message) => {
        // The broker cancelled us (the queue was deleted or moved): only a new channel subscribes again.
        if (message === null) void channel.close().catch(() => undefined);
        else this.#options.onDelivery(toDelivery(message, acks));
      },
      this.#options.priority === undefined ? {} : { priority: this.#options.priority },
    );
  }
}

/** Sends the acks of one channel: each at once, or collected, one `multiple` per turn of the event loop. */
class ChannelAcks {
  readonly #channel: Channel;
  readonly #each: boolean;
  readonly #prefix = new AckPrefix();
  live = true;
  #scheduled = false;

  constructor(channel: Channel, each: boolean) {
    this.#channel = channel;
    this.#each = each;
    channel.on('close', () => {
      this.live = false;
    });
  }

  settle(deliveryTag: number): void {
    if (this.#each) {
      this.#ack(deliveryTag, false);
      return;
    }
    this.#prefix.settle(deliveryTag);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.flush());
  }

  flush(): void {
    this.#scheduled = false;
    if (!this.live) return;
    const deliveryTag = this.#prefix.take();
    if (deliveryTag !== undefined) this.#ack(deliveryTag, true);
  }

  #ack(deliveryTag: number, multiple: boolean): void {
    if (!this.live) return;
    try {
      // amqplib reads the delivery tag of a message and nothing else.
      this.#channel.ack({ fields: { deliveryTag } } as ConsumeMessage, multiple);
    } catch {
      // The channel or its connection is closing: what was not acked comes again.
      this.live = false;
    }
  }

  /** Sends the last acks; what is settled later comes again. */
  finish(): void {
    this.flush();
    this.live = false;
  }
}

function toDelivery(message: ConsumeMessage, acks: ChannelAcks): Delivery {
  const { properties, fields } = message;
  return {
    body: message.content,
    type: text(properties.type),
    messageId: text(properties.messageId),
    replyTo: text(properties.replyTo),
    correlationId: text(properties.correlationId),
    appId: text(properties.appId),
    timestamp: typeof properties.timestamp === 'number' ? properties.timestamp : undefined,
    headers: properties.headers ?? {},
    redelivered: fields.redelivered,
    // The header of a first delivery is the publisher's own.
    returns: fields.redelivered ? returnsOf(properties.headers?.['x-delivery-count']) : 0,
    receivedAt: performance.now(),
    live: () => acks.live,
    settle: () => acks.settle(fields.deliveryTag),
  };
}

function returnsOf(count: unknown): number {
  return typeof count === 'number' && count > 0 ? count : 0;
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value.length > 0 ? value : undefined;
}
