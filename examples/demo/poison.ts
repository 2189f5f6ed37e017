/**
 * A publisher that is not the client library: bare amqplib and hand-written frames, good commands beside ones that
 * cannot be stored. Also binds a queue of its own to the dead letters, as anyone may, to show them.
 */
import { type ChannelModel, connect } from 'amqplib';
import { partitionOf } from 'holdfast';
import { PARTITIONS } from './plan.ts';

/** A frame's lines, and how many of its commands must become dead letters. */
interface Frame {
  readonly id: string;
  readonly lines: readonly string[];
  readonly letters: number;
}

const save = (id: string, version: number): string =>
  JSON.stringify({ save: { id, type: 'UserProfile', version } });

function frames(now: number): Frame[] {
  return [
    { id: 'poison-1', lines: [save('poison-1', now), '{"name":"U+0000 \\u0000 inside"}'], letters: 1 },
    {
      id: 'poison-2',
      lines: [save('poison-2', now), '{"n":1e5000}', save('poison-2', now + 1), '{"n":"a good neighbour"}'],
      letters: 1,
    },
    { id: 'poison-3', lines: [save('poison-3', 0), '{}'], letters: 1 },
    { id: 'poison-4', lines: [save('poison-4', now), '{"broken":'], letters: 1 },
    { id: 'poison-5', lines: ['this is not a frame'], letters: 1 },
  ];
}

export interface Letter {
  readonly code: string;
  readonly message: string;
  readonly objectId: string;
}

export class PoisonPublisher {
  readonly letters: Letter[] = [];
  /** Dead letters that must come. */
  expected = 0;
  readonly #model: ChannelModel;
  readonly #prefix: string;

  private constructor(model: ChannelModel, prefix: string) {
    this.#model = model;
    this.#prefix = prefix;
  }

  static async open(amqpUrl: string, prefix: string): Promise<PoisonPublisher> {
    const publisher = new PoisonPublisher(await connect(amqpUrl), prefix);
    await publisher.#listen();
    return publisher;
  }

  async publish(): Promise<void> {
    const channel = await this.#model.createConfirmChannel();
    const now = Date.now() * 1_000;
    for (const { id, lines, letters } of frames(now)) {
      const routingKey = `${PARTITIONS}.${partitionOf(id, PARTITIONS)}`;
      const body = Buffer.from(`${lines.join('\n')}\n`);
      channel.publish(`${this.#prefix}.commands`, routingKey, body, {
        type: 'holdfast.commands.v1',
        contentType: 'application/x-ndjson',
        messageId: `${this.#prefix}-${id}`,
        appId: 'a stranger',
        persistent: true,
        mandatory: true,
      });
      this.expected += letters;
    }
    await channel.waitForConfirms();
    await channel.close();
  }

  async close(): Promise<void> {
    await this.#model.close();
  }

  async #listen(): Promise<void> {
    const channel = await this.#model.createChannel();
    const { queue } = await channel.assertQueue('', { exclusive: true });
    await channel.bindQueue(queue, `${this.#prefix}.dead-letters`, '');
    await channel.consume(
      queue,
      (message) => {
        const headers = message?.properties.headers ?? {};
        this.letters.push({
          code: String(headers['holdfast-code']),
          message: String(headers['holdfast-message']),
          objectId: String(headers['holdfast-object-id'] ?? '(unknown)'),
        });
      },
      { noAck: true },
    );
  }
}
