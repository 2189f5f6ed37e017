/**
 * Consumes replies from a queue that lives as long as its channel: exclusive, gone with its consumer, and newly named each
 * time, so that a reply to one life never reaches the next.
 *
 * Without acks: a reply is worth nothing to anybody else, and what is outstanding is bounded by what was asked.
 */
import type { Channel } from 'amqplib';
import type { BrokerConnection } from './broker-connection.ts';
import type { BrokerError } from './broker-error.ts';
import { openChannel, SupervisedChannel } from './supervised-channel.ts';

export interface Reply {
  readonly body: Buffer;
  readonly type: unknown;
  readonly correlationId: unknown;
  readonly headers: Readonly<Record<string, unknown>>;
}

export interface ReplyConsumerOptions {
  /** Asked once for each life. */
  readonly queueName: () => string;
  readonly onReply: (reply: Reply) => void;
  /** From now on replies to this queue arrive. */
  readonly onOpen: (queue: string) => void;
  /** The queue is gone, with what was in it and on its way to it. */
  readonly onLost: (error: BrokerError) => void;
  readonly retryDelayMsMin: number;
  readonly retryDelayMsMax: number;
}

/** RabbitMQ answers in milliseconds; a peer that is gone never does. */
const STOP_TIMEOUT_MS = 1_000;

export class ReplyConsumer {
  readonly #options: ReplyConsumerOptions;
  readonly #supervised: SupervisedChannel<Channel>;
  #queue = '';
  #consumerTag: string | undefined;

  constructor(connection: BrokerConnection, options: ReplyConsumerOptions) {
    this.#options = options;
    this.#supervised = new SupervisedChannel(connection, {
      create: openChannel,
      setup: (channel) => this.#subscribe(channel),
      onOpen: () => options.onOpen(this.#queue),
      onLost: (_channel, error) => options.onLost(error),
      retryDelayMsMin: options.retryDelayMsMin,
      retryDelayMsMax: options.retryDelayMsMax,
    });
  }

  start(): void {
    this.#supervised.start();
  }

  get lastError(): BrokerError | undefined {
    return this.#supervised.lastError;
  }

  /**
   * Takes no more replies, and resolves when those that are on their way have been read, or the broker does not answer in
   * time. With its consumer the queue goes: who replies later finds none, and knows that nobody hears.
   */
  async stop(): Promise<void> {
    const { channel } = this.#supervised;
    const consumerTag = this.#consumerTag;
    if (channel === undefined || consumerTag === undefined) return;
    this.#consumerTag = undefined;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, STOP_TIMEOUT_MS);
      const done = (): void => {
        clearTimeout(timer);
        channel.off('close', done);
        resolve();
      };
      channel.on('close', done);
      channel.cancel(consumerTag).then(done, done);
    });
  }

  /** Closes for ever. Safe twice, and before start. */
  async close(): Promise<void> {
    await this.#supervised.close();
  }

  async #subscribe(channel: Channel): Promise<void> {
    this.#queue = this.#options.queueName();
    await channel.assertQueue(this.#queue, {
      exclusive: true,
      autoDelete: true,
      durable: false,
      arguments: { 'x-queue-type': 'classic' },
    });
    const { consumerTag } = await channel.consume(
      this.#queue,
      (message) => {
        // The broker cancelled us: the queue is gone, only a new one will do.
        if (message === null) void channel.close().catch(() => undefined);
        else {
          const { type, correlationId, headers } = message.properties;
          this.#options.onReply({ body: message.content, type, correlationId, headers: headers ?? {} });
        }
      },
      { noAck: true },
    );
    this.#consumerTag = consumerTag;
  }
}
