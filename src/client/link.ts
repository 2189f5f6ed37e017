/**
 * The client's way to RabbitMQ: one connection with a channel to publish on and a queue for replies. It is up when both
 * are open, because every frame names a queue for its replies.
 *
 * One connection for both: RabbitMQ that takes no publishes (memory or disk alarm) stops reading from the connections
 * that publish, but goes on delivering to them, and replies are consumed without acks. Seen with RabbitMQ 3.10.8: replies
 * arrive while the connection is blocked, and its heartbeats are not missed.
 */
import { randomBytes } from 'node:crypto';
import { BrokerConnection } from '../broker/broker-connection.ts';
import type { BrokerError } from '../broker/broker-error.ts';
import {
  ConfirmingPublisher,
  type PublishProperties,
  type PublishResult,
} from '../broker/confirming-publisher.ts';
import { type Reply, ReplyConsumer } from '../broker/reply-consumer.ts';
import type { ClientOptions } from './client-options.ts';

export interface LinkEvents {
  readonly onUp: () => void;
  /** Nothing can be sent until it is up again. Once for each time that it was up. */
  readonly onDown: (error: BrokerError) => void;
  /** Another attempt failed while it is not up. */
  readonly onUnreachable: (error: BrokerError) => void;
  /** The queue for replies is gone: what was not answered yet never will be. */
  readonly onRepliesLost: () => void;
  /** The fate of everything that was not confirmed is unknown, and was told so. */
  readonly onPublisherLost: (error: BrokerError) => void;
  readonly onReply: (reply: Reply) => void;
  readonly onBlocked: (reason: string) => void;
  readonly onUnblocked: () => void;
}

type LinkOptions = Pick<
  ClientOptions,
  | 'url'
  | 'node'
  | 'prefix'
  | 'heartbeatMs'
  | 'connectTimeoutMs'
  | 'confirmTimeoutMs'
  | 'retryDelayMsMin'
  | 'retryDelayMsMax'
>;

/** Of the node's name in the name of a queue: with the longest prefix and the rest well below AMQP's 255 bytes. */
const NODE_CHARACTERS_MAX = 100;

export class Link {
  readonly #connection: BrokerConnection;
  readonly #publisher: ConfirmingPublisher;
  readonly #replies: ReplyConsumer;
  readonly #events: LinkEvents;
  #publisherOpen = false;
  #replyQueue: string | undefined;
  #up = false;

  constructor(options: LinkOptions, repliesPrefix: string, events: LinkEvents) {
    const { url, node, retryDelayMsMin, retryDelayMsMax } = options;
    const retry = { retryDelayMsMin, retryDelayMsMax };
    this.#events = events;
    this.#connection = new BrokerConnection({
      amqpUrl: url,
      connectionName: `holdfast client ${node}`,
      heartbeatMs: options.heartbeatMs,
      connectTimeoutMs: options.connectTimeoutMs,
      ...retry,
    });
    this.#connection.on('blocked', events.onBlocked);
    this.#connection.on('unblocked', events.onUnblocked);
    this.#connection.on('disconnected', (error) => {
      if (!this.#up) events.onUnreachable(error);
    });
    this.#publisher = new ConfirmingPublisher(this.#connection, {
      confirmTimeoutMs: options.confirmTimeoutMs,
      onOpen: () => {
        this.#publisherOpen = true;
        this.#rise();
      },
      onLost: (error) => {
        this.#publisherOpen = false;
        this.#fall(error);
        events.onPublisherLost(error);
      },
      ...retry,
    });
    const name = node.replaceAll(/[^A-Za-z0-9._-]/g, '_').slice(0, NODE_CHARACTERS_MAX);
    this.#replies = new ReplyConsumer(this.#connection, {
      queueName: () => `${repliesPrefix}${name}-${randomBytes(8).toString('hex')}`,
      onReply: events.onReply,
      onOpen: (queue) => {
        this.#replyQueue = queue;
        this.#rise();
      },
      onLost: (error) => {
        this.#replyQueue = undefined;
        this.#fall(error);
        events.onRepliesLost();
      },
      ...retry,
    });
  }

  /** Whether something can be sent. A channel that is about to be given up takes nothing, before its end is told. */
  get up(): boolean {
    return this.#up && this.#publisher.open;
  }

  get blocked(): boolean {
    return this.#connection.blocked;
  }

  /** Where replies go now. */
  get replyQueue(): string | undefined {
    return this.#replyQueue;
  }

  /** Why it is not up, as far as it is known. */
  get lastError(): BrokerError | undefined {
    return this.#connection.lastError ?? this.#publisher.lastError ?? this.#replies.lastError;
  }

  /**
   * Begins to connect, and keeps at it until `close`.
   *
   * @throws BrokerError with `once`, if the first attempt fails; nothing goes on then.
   */
  async start(once: boolean): Promise<void> {
    if (once) await this.#connection.startOnce();
    else this.#connection.start();
    this.#publisher.start();
    this.#replies.start();
  }

  /** Hands a message over. Resolves with its fate; `unsent` if there was nothing open to send it on. Never rejects. */
  async publish(
    exchange: string,
    routingKey: string,
    body: Buffer,
    properties: PublishProperties,
  ): Promise<PublishResult | 'unsent'> {
    if (!this.#publisher.open) return 'unsent';
    try {
      return await this.#publisher.publish(exchange, routingKey, body, properties);
    } catch {
      // The channel has just died, and its end is about to be told.
      return 'unsent';
    }
  }

  /** Reads the replies that are on their way, and takes no more. Resolves in bounded time. */
  async stopReplies(): Promise<void> {
    await this.#replies.stop();
  }

  /** Closes for ever; what is not confirmed becomes unknown. Safe twice. */
  async close(): Promise<void> {
    // The connection first: it closes its channels with it, in bounded time even if the peer is silent.
    await this.#connection.close();
    await Promise.all([this.#publisher.close(), this.#replies.close()]);
  }

  #rise(): void {
    if (this.#up || !this.#publisherOpen || this.#replyQueue === undefined) return;
    this.#up = true;
    this.#events.onUp();
  }

  #fall(error: BrokerError): void {
    if (!this.#up) {
      this.#events.onUnreachable(error);
      return;
    }
    this.#up = false;
    this.#events.onDown(error);
  }
}
