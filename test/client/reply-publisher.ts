/**
 * Publishes replies: transient, without confirm, straight to the requester's queue. A requester who is gone misses
 * its reply, as it misses everything.
 */
import type { Channel, Options } from 'amqplib';
import type { BrokerConnection } from '../../src/broker/broker-connection.ts';
import { openChannel, SupervisedChannel } from '../../src/broker/supervised-channel.ts';

export class ReplyPublisher {
  readonly #supervised: SupervisedChannel<Channel>;
  #drained: Promise<void> | undefined;

  constructor(
    connection: BrokerConnection,
    options: { readonly retryDelayMsMin: number; readonly retryDelayMsMax: number },
  ) {
    this.#supervised = new SupervisedChannel(connection, {
      create: openChannel,
      setup: async () => {},
      ...options,
    });
  }

  start(): void {
    this.#supervised.start();
  }

  /**
   * Sends one message to a queue. Waits only while the socket's buffer is full, so that a slow broker slows its
   * workers down instead of filling their memory. Returns whether it could be sent at all.
   */
  async send(queue: string, body: Buffer, properties: Options.Publish): Promise<boolean> {
    await this.#drained;
    const channel = this.#supervised.channel;
    if (channel === undefined) return false;
    try {
      if (!channel.sendToQueue(queue, body, properties)) this.#drained ??= this.#drain(channel);
      return true;
    } catch {
      // The connection is closing, and nothing was sent.
      return false;
    }
  }

  async close(): Promise<void> {
    await this.#supervised.close();
  }

  /** A dying channel never says drain, so its end counts as well. */
  async #drain(channel: Channel): Promise<void> {
    await new Promise<void>((resolve) => {
      const done = (): void => {
        channel.off('drain', done);
        channel.off('close', done);
        resolve();
      };
      channel.on('drain', done);
      channel.on('close', done);
    });
    this.#drained = undefined;
  }
}
