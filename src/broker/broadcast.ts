/**
 * Takes part in a fanout exchange: hears everything that is said on it, and says things. Nothing is kept: who is not
 * there misses it.
 */
import type { Channel } from 'amqplib';
import type { BrokerConnection } from './broker-connection.ts';
import { openChannel, SupervisedChannel } from './supervised-channel.ts';

export interface BroadcastOptions {
  readonly exchange: string;
  readonly onMessage: (body: Buffer) => void;
  /** From now on everything said is heard. */
  readonly onOpen: () => void;
  readonly retryDelayMsMin: number;
  readonly retryDelayMsMax: number;
}

export class Broadcast {
  readonly #exchange: string;
  readonly #supervised: SupervisedChannel<Channel>;

  constructor(connection: BrokerConnection, options: BroadcastOptions) {
    this.#exchange = options.exchange;
    this.#supervised = new SupervisedChannel(connection, {
      create: openChannel,
      setup: async (channel) => {
        const { queue } = await channel.assertQueue('', {
          exclusive: true,
          autoDelete: true,
          durable: false,
          arguments: { 'x-queue-type': 'classic', 'x-max-length': QUEUE_MESSAGES_MAX },
        });
        await channel.bindQueue(queue, options.exchange, '');
        await channel.consume(
          queue,
          (message) => {
            if (message === null) void channel.close().catch(() => undefined);
            else options.onMessage(message.content);
          },
          { noAck: true },
        );
      },
      onOpen: options.onOpen,
      retryDelayMsMin: options.retryDelayMsMin,
      retryDelayMsMax: options.retryDelayMsMax,
    });
  }

  start(): void {
    this.#supervised.start();
  }

  /** Says something to everybody, ourselves included; returns whether that was possible. */
  say(body: Buffer): boolean {
    const { channel } = this.#supervised;
    if (channel === undefined) return false;
    try {
      channel.publish(this.#exchange, '', body, { contentType: 'application/json', persistent: false });
      return true;
    } catch {
      // The connection is closing.
      return false;
    }
  }

  async close(): Promise<void> {
    await this.#supervised.close();
  }
}

/** Far more than workers say in the time one of them can be busy; the oldest are dropped. */
const QUEUE_MESSAGES_MAX = 1_000;
