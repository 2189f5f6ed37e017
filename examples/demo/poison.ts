/**
 * A publisher that is not the client library: bare amqplib and hand-written frames, good commands beside ones that
 * cannot be stored, some of them only as long as a rule of the table refuses them.
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

/** What is refused until the rule is lifted, and what is then stored. */
export const REPAIRABLE = ['debtor-1', 'debtor-2', 'debtor-3'];
const REPAIRABLE_DOCUMENT = '{"username":"debtor","score":-5}';

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
    ...REPAIRABLE.map((id) => ({ id, lines: [save(id, now), REPAIRABLE_DOCUMENT], letters: 1 })),
  ];
}

export class PoisonPublisher {
  /** Dead letters that must come. */
  expected = 0;
  readonly #model: ChannelModel;
  readonly #prefix: string;

  private constructor(model: ChannelModel, prefix: string) {
    this.#model = model;
    this.#prefix = prefix;
  }

  static async open(amqpUrl: string, prefix: string): Promise<PoisonPublisher> {
    return new PoisonPublisher(await connect(amqpUrl), prefix);
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
}
