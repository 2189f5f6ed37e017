/** The scratch queues, and how a backlog gets into them before the clock starts. */
import { randomUUID } from 'node:crypto';
import { type ChannelModel, type ConfirmChannel, connect, type Options } from 'amqplib';
import { declareTopology, deleteTopology } from '../../src/broker/topology.ts';
import {
  COMMANDS_TYPE,
  commandsQueue,
  type Names,
  NDJSON_CONTENT_TYPE,
  namesFor,
  REPLY_MODE_FAILURES,
  REPLY_MODE_HEADER,
  routingKey,
} from '../../src/contract/names.ts';
import type { PoisonFrame } from '../workloads/bad-commands.ts';
import { PARTITIONS } from '../workloads/frames.ts';
import { PublishWindow } from './publish-window.ts';

export class BenchBroker {
  /** Of the comparisons: a quorum queue as everybody would declare it. */
  readonly plainQueue: string;
  readonly #model: ChannelModel;
  readonly #channel: ConfirmChannel;
  readonly #names: Names;

  private constructor(model: ChannelModel, channel: ConfirmChannel, names: Names) {
    this.#model = model;
    this.#channel = channel;
    this.#names = names;
    this.plainQueue = `${names.prefix}.plain`;
  }

  static async open(amqpUrl: string, prefix: string): Promise<BenchBroker> {
    const model = await connect(amqpUrl);
    // What goes wrong is said by the call that was under way.
    model.on('error', () => undefined);
    const names = namesFor(prefix);
    const broker = new BenchBroker(model, await model.createConfirmChannel(), names);
    await declareTopology(model, names, PARTITIONS);
    await broker.#channel.assertQueue(broker.plainQueue, {
      durable: true,
      arguments: { 'x-queue-type': 'quorum' },
    });
    return broker;
  }

  get serverVersion(): string {
    return this.#model.connection.serverProperties.version;
  }

  /** Whatever a measurement has left behind. */
  async purge(): Promise<void> {
    for (const queue of [...this.#commandQueues(), this.#names.deadLetters, this.plainQueue]) {
      await this.#channel.purgeQueue(queue);
    }
  }

  /** Frames as the client sends them: it always wants to hear of failures. `mute`: as a publisher without replies. */
  async publishFrames(frames: Iterable<PoisonFrame>, mute = false): Promise<void> {
    const replies = mute
      ? {}
      : {
          replyTo: `${this.#names.repliesPrefix}bench`,
          headers: { [REPLY_MODE_HEADER]: REPLY_MODE_FAILURES },
        };
    await this.#publishAll(frames, ({ partition, body, type }) => ({
      exchange: this.#names.commandsExchange,
      routingKey: routingKey(PARTITIONS, partition),
      body,
      options: {
        ...replies,
        persistent: true,
        mandatory: true,
        contentType: NDJSON_CONTENT_TYPE,
        type: type ?? COMMANDS_TYPE,
        messageId: randomUUID(),
        correlationId: 'bench',
        timestamp: Date.now(),
        appId: 'bench',
      },
    }));
  }

  async publishPlain(messages: Iterable<Buffer>): Promise<void> {
    await this.#publishAll(messages, (body) => ({
      exchange: '',
      routingKey: this.plainQueue,
      body,
      options: { persistent: true, mandatory: true, contentType: 'application/json' },
    }));
  }

  /** Calls back for each dead letter from now on, from a queue of our own; returns how to end that. */
  async onDeadLetter(heard: (code: string) => void): Promise<() => Promise<void>> {
    const channel = await this.#model.createChannel();
    const { queue } = await channel.assertQueue('', { exclusive: true });
    await channel.bindQueue(queue, this.#names.deadLetters, '');
    await channel.consume(queue, (message) => heard(String(message?.properties.headers?.['holdfast-code'])), {
      noAck: true,
    });
    return async () => {
      await channel.deleteQueue(queue);
      await channel.close();
    };
  }

  async remove(): Promise<void> {
    await this.#channel.deleteQueue(this.plainQueue);
    await deleteTopology(this.#model, this.#names, [PARTITIONS]);
    await this.#model.close();
  }

  #commandQueues(): string[] {
    return Array.from({ length: PARTITIONS }, (_, partition) =>
      commandsQueue(this.#names, PARTITIONS, partition),
    );
  }

  async #publishAll<Item>(items: Iterable<Item>, toMessage: (item: Item) => Outgoing): Promise<void> {
    const window = new PublishWindow();
    for (const item of items) {
      const { exchange, routingKey: key, body, options } = toMessage(item);
      window.sent(body.length);
      this.#channel.publish(exchange, key, body, options, (error) => window.settled(body.length, error));
      await window.untilRoom();
    }
    await window.untilEmpty();
  }
}

interface Outgoing {
  readonly exchange: string;
  readonly routingKey: string;
  readonly body: Buffer;
  readonly options: Options.Publish;
}
