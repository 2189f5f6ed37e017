/** An object node reduced to amqplib: publishes frames written by hand and reads the replies as they come. */
import { randomUUID } from 'node:crypto';
import type { ConfirmChannel, ConsumeMessage, Options } from 'amqplib';
import { partitionOf } from '../../src/contract/partition.ts';
import { PARTITIONS, type Scratch } from './scratch.ts';

export interface SendOptions extends Options.Publish {
  /** Where it goes; else where the first command's object belongs. */
  readonly partition?: number;
  /** Instead of a partition: anything. */
  readonly routingKey?: string;
  /** To the queue of unordered loads instead. */
  readonly loads?: true;
}

/** One line of a reply; a document is whatever stands on its own line. */
export interface ReplyLine {
  readonly id?: string;
  readonly outcome?: string;
  readonly [field: string]: unknown;
}

export interface Reply {
  /** All parts joined. */
  readonly text: string;
  readonly lines: ReplyLine[];
  readonly parts: readonly ConsumeMessage[];
}

interface Waiting {
  readonly parts: ConsumeMessage[];
  readonly resolve: (reply: Reply) => void;
}

export class TestPublisher {
  readonly replyQueue: string;
  readonly channel: ConfirmChannel;
  readonly #scratch: Scratch;
  readonly #waiting = new Map<string, Waiting>();
  /** Replies that nobody asked for. */
  readonly strays: ConsumeMessage[] = [];

  private constructor(scratch: Scratch, channel: ConfirmChannel, replyQueue: string) {
    this.#scratch = scratch;
    this.channel = channel;
    this.replyQueue = replyQueue;
  }

  static async open(scratch: Scratch): Promise<TestPublisher> {
    const channel = await scratch.broker.createConfirmChannel();
    const replyQueue = `${scratch.names.prefix}.replies.${randomUUID()}`;
    await channel.assertQueue(replyQueue, { exclusive: true, autoDelete: true });
    const publisher = new TestPublisher(scratch, channel, replyQueue);
    await channel.consume(replyQueue, (message) => publisher.#onReply(message), { noAck: true });
    return publisher;
  }

  /** Publishes a frame; resolves when RabbitMQ has confirmed it. */
  async send(frame: string | Buffer, options: SendOptions = {}): Promise<void> {
    const { partition, routingKey, loads, ...properties } = options;
    const { names } = this.#scratch;
    const exchange = loads ? '' : names.commandsExchange;
    const own = `${PARTITIONS}.${partition ?? partitionOfFrame(frame)}`;
    const key = loads ? names.loadsQueue : (routingKey ?? own);
    await new Promise<void>((resolve, reject) => {
      this.channel.publish(
        exchange,
        key,
        Buffer.from(frame),
        {
          type: 'holdfast.commands.v1',
          contentType: 'application/x-ndjson',
          persistent: !loads,
          messageId: randomUUID(),
          mandatory: true,
          ...properties,
        },
        (error: unknown) => (error === null ? resolve() : reject(error)),
      );
    });
  }

  /** Publishes a frame and resolves with its whole reply. */
  async request(frame: string | Buffer, options: SendOptions = {}): Promise<Reply> {
    const correlationId = randomUUID();
    const replied = new Promise<Reply>((resolve) => {
      this.#waiting.set(correlationId, { parts: [], resolve });
    });
    await this.send(frame, { replyTo: this.replyQueue, correlationId, ...options });
    return await replied;
  }

  /** The outcome of each command of a frame. */
  async outcomes(frame: string | Buffer, options: SendOptions = {}): Promise<(string | undefined)[]> {
    const reply = await this.request(frame, options);
    return reply.lines.flatMap(({ outcome }) => (outcome === undefined ? [] : [outcome]));
  }

  #onReply(message: ConsumeMessage | null): void {
    if (message === null) return;
    const waiting = this.#waiting.get(String(message.properties.correlationId));
    if (waiting === undefined) {
      this.strays.push(message);
      return;
    }
    waiting.parts.push(message);
    if (message.properties.headers?.['holdfast-last'] !== true) return;
    this.#waiting.delete(String(message.properties.correlationId));
    const text = Buffer.concat(waiting.parts.map(({ content }) => content)).toString();
    const parsed = text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as ReplyLine);
    waiting.resolve({ text, lines: parsed, parts: waiting.parts });
  }
}

/** The partition of the first object named; 0 where none can be read. */
function partitionOfFrame(frame: string | Buffer): number {
  const id = /^\{"\w+":\{"id":("(?:[^"\\]|\\.)*")/.exec(frame.toString())?.[1];
  return id === undefined ? 0 : partitionOf(JSON.parse(id) as string, PARTITIONS);
}

/** Lines with their ends, as they stand in a frame. */
export function lines(...each: (string | object)[]): string {
  return each.map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join('');
}

/** The two lines of a save. */
export function save(
  fields: { id: string; version: number; [field: string]: unknown },
  document = '{}',
): string {
  const { id, type = 'T', ...others } = fields;
  return lines({ save: { id, type, ...others } }, document);
}

export function remove(fields: { id: string; version: number; [field: string]: unknown }): string {
  return lines({ delete: fields });
}

export function load(fields: { id: string; [field: string]: unknown }): string {
  return lines({ load: fields });
}

/** Different ids that all belong into one partition. */
export function idsOfPartition(partition: number, count: number, stem = 'object'): string[] {
  const ids: string[] = [];
  for (let n = 0; ids.length < count; n += 1) {
    const id = `${stem}-${n}`;
    if (partitionOf(id, PARTITIONS) === partition) ids.push(id);
  }
  return ids;
}
