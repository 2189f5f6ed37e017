/**
 * Publishes with confirm and mandatory, and says of each message what became of it. Does not resend: who publishes
 * knows whether that is right.
 */
import { randomUUID } from 'node:crypto';
import type { ConfirmChannel, Options } from 'amqplib';
import type { BrokerConnection } from './broker-connection.ts';
import { BrokerError } from './broker-error.ts';
import { openConfirmChannel, SupervisedChannel } from './supervised-channel.ts';

/** AMQP properties and headers of a message to be published. */
export type PublishProperties = Options.Publish;

export interface PublisherOptions {
  /**
   * How long a confirm may take before the channel is given up; its messages are then of unknown fate. Does not run while
   * RabbitMQ takes no publishes.
   */
  readonly confirmTimeoutMs: number;
  readonly retryDelayMsMin: number;
  readonly retryDelayMsMax: number;
  readonly onOpen?: () => void;
  readonly onLost?: (error: BrokerError) => void;
}

/**
 * confirmed: safe with the broker. returned: no queue takes this routing key. refused: the queue said no (full).
 * unknown: the channel was lost before an answer; the message may or may not be there.
 */
export type PublishResult = 'confirmed' | 'returned' | 'refused' | 'unknown';

interface Pending {
  readonly messageId: string;
  returned: boolean;
  readonly settle: (result: PublishResult) => void;
  readonly publishedAt: number;
}

export class ConfirmingPublisher {
  readonly #connection: BrokerConnection;
  readonly #supervised: SupervisedChannel<ConfirmChannel>;
  readonly #confirmTimeoutMs: number;
  /** In the order of publishing. */
  readonly #pending = new Set<Pending>();
  #watch: NodeJS.Timeout | undefined;
  /** Since when the confirm of the oldest message has been due: not before RabbitMQ took publishes again. */
  #takenSince = 0;

  constructor(connection: BrokerConnection, options: PublisherOptions) {
    this.#connection = connection;
    this.#confirmTimeoutMs = options.confirmTimeoutMs;
    this.#supervised = new SupervisedChannel(connection, {
      create: openConfirmChannel,
      setup: async (channel) => {
        // Before amqplib's own listener, which fails every waiting confirm with an error that looks like a refusal.
        channel.prependListener('close', () => this.#settleAll());
        channel.on('return', (message) => {
          // Returns come in the order of publishing, so of several with one id it is the first that is not marked yet.
          const { messageId } = message.properties;
          for (const pending of this.#pending) {
            if (pending.messageId !== messageId || pending.returned) continue;
            pending.returned = true;
            return;
          }
        });
      },
      onOpen: () => options.onOpen?.(),
      onLost: (_channel, error) => {
        this.#settleAll();
        options.onLost?.(error);
      },
      retryDelayMsMin: options.retryDelayMsMin,
      retryDelayMsMax: options.retryDelayMsMax,
    });
  }

  start(): void {
    this.#supervised.start();
  }

  /** Whether a message can be handed over now. */
  get open(): boolean {
    return this.#supervised.channel !== undefined;
  }

  get lastError(): BrokerError | undefined {
    return this.#supervised.lastError;
  }

  /** Messages whose fate is not known yet. */
  get pendingCount(): number {
    return this.#pending.size;
  }

  /**
   * Hands a message over and resolves with its fate.
   *
   * Messages of one publisher reach a queue in the order of these calls. Two messages of one id are two messages.
   *
   * @throws BrokerError `BROKER_UNAVAILABLE` if there is no open channel; nothing was sent then.
   */
  publish(
    exchange: string,
    routingKey: string,
    body: Buffer,
    properties: PublishProperties,
  ): Promise<PublishResult> {
    const channel = this.#supervised.channel;
    if (channel === undefined) {
      throw this.#supervised.lastError ?? new BrokerError('BROKER_UNAVAILABLE', 'not connected to RabbitMQ');
    }
    const messageId = properties.messageId ?? randomUUID();
    return new Promise<PublishResult>((settle, reject) => {
      const pending: Pending = { messageId, returned: false, settle, publishedAt: performance.now() };
      this.#pending.add(pending);
      const options = { ...properties, messageId, mandatory: true };
      try {
        channel.publish(exchange, routingKey, body, options, (error: unknown) => {
          if (!this.#pending.delete(pending)) return;
          settle(error ? 'refused' : pending.returned ? 'returned' : 'confirmed');
        });
      } catch (error) {
        // The connection is closing; amqplib throws before it sends anything.
        this.#pending.delete(pending);
        reject(
          new BrokerError('BROKER_UNAVAILABLE', 'the connection to RabbitMQ is closing', { cause: error }),
        );
      }
      this.#watchConfirms();
    });
  }

  /** Closes for ever; what is pending becomes unknown. */
  async close(): Promise<void> {
    clearTimeout(this.#watch);
    await this.#supervised.close();
    this.#settleAll();
  }

  #settleAll(): void {
    const lost = [...this.#pending];
    this.#pending.clear();
    for (const pending of lost) pending.settle('unknown');
  }

  /** One timer for the oldest message, not one for each. */
  #watchConfirms(): void {
    if (this.#watch !== undefined) return;
    this.#watch = setTimeout(() => {
      this.#watch = undefined;
      const [oldest] = this.#pending;
      if (oldest === undefined) return;
      const now = performance.now();
      if (this.#connection.blocked) this.#takenSince = now;
      const dueSince = Math.max(oldest.publishedAt, this.#takenSince);
      if (now - dueSince >= this.#confirmTimeoutMs) {
        this.#settleAll();
        void this.#supervised.reopen();
      }
      this.#watchConfirms();
    }, this.#confirmTimeoutMs / 2);
    this.#watch.unref();
  }
}
