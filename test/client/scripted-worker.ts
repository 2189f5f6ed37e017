/**
 * Stands at the wire in a worker's place: takes frames from the queues and sends replies, as the contract says, or as the
 * test says. By itself it keeps objects in memory and decides one command after the other.
 */
import { BrokerConnection } from '../../src/broker/broker-connection.ts';
import { type Delivery, QueueConsumer } from '../../src/broker/queue-consumer.ts';
import type { Command } from '../../src/contract/command.ts';
import { decodeFrame } from '../../src/contract/frame.ts';
import {
  commandsQueue,
  type Names,
  NDJSON_CONTENT_TYPE,
  REPLIES_TYPE,
  REPLY_LAST_HEADER,
  REPLY_MODE_FAILURES,
  REPLY_MODE_HEADER,
  REPLY_MODE_UNAPPLIED,
  REPLY_PART_HEADER,
} from '../../src/contract/names.ts';
import { encodeReply, isFailure, type ReplyItem } from '../../src/contract/reply.ts';
import { ObjectModel } from './object-model.ts';
import { ReplyPublisher } from './reply-publisher.ts';

const RETRY = { retryDelayMsMin: 5, retryDelayMsMax: 20 };

/** A command as it arrived. */
export interface Arrival {
  readonly command: Command;
  /** Byte for byte. */
  readonly document: string | undefined;
  readonly frame: ArrivedFrame;
}

export interface ArrivedFrame {
  readonly queue: string;
  readonly delivery: Delivery;
  readonly arrivals: Arrival[];
}

export class ScriptedWorker {
  readonly objects = new ObjectModel();
  /** In the order of their arrival, whether answered or not. */
  readonly frames: ArrivedFrame[] = [];
  /** What to answer instead; `undefined` leaves it to the objects. */
  script: ((arrival: Arrival) => ReplyItem | undefined) | undefined;
  /** What to reply to a whole frame instead, in parts; no parts at all is silence. */
  replyWith: ((frame: ArrivedFrame, items: ReplyItem[]) => Buffer[]) | undefined;
  /** Whether it knows that value of `holdfast-reply`; one that does not answers everything. */
  knowsUnapplied = true;
  readonly #connection: BrokerConnection;
  readonly #replies: ReplyPublisher;
  readonly #consumers: QueueConsumer[];
  #held: ArrivedFrame[] | undefined;

  private constructor(amqpUrl: string, names: Names, partitionCount: number) {
    this.#connection = new BrokerConnection({
      amqpUrl,
      connectionName: 'holdfast scripted worker',
      heartbeatMs: 10_000,
      connectTimeoutMs: 5_000,
      ...RETRY,
    });
    this.#replies = new ReplyPublisher(this.#connection, RETRY);
    const queues = Array.from({ length: partitionCount }, (_, partition) =>
      commandsQueue(names, partitionCount, partition),
    );
    this.#consumers = [...queues, names.loadsQueue].map(
      (queue) =>
        new QueueConsumer(this.#connection, {
          queue,
          prefetchCount: () => 1_000,
          onDelivery: (delivery) =>
            this.#take(queue, delivery, queue === names.loadsQueue ? 'loads' : 'partition'),
          onLost: () => undefined,
          ...RETRY,
        }),
    );
  }

  static async open(amqpUrl: string, names: Names, partitionCount: number): Promise<ScriptedWorker> {
    const worker = new ScriptedWorker(amqpUrl, names, partitionCount);
    await worker.#connection.startOnce();
    worker.#replies.start();
    for (const consumer of worker.#consumers) consumer.start();
    return worker;
  }

  /** Every command of every frame, in the order of arrival. */
  get arrivals(): Arrival[] {
    return this.frames.flatMap(({ arrivals }) => arrivals);
  }

  /** From now on frames arrive, but nothing is decided or answered. */
  hold(): void {
    this.#held ??= [];
  }

  /** Decides and answers what was held, and goes on. */
  go(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const frame of held) this.#answer(frame);
  }

  /** Sends a message to a queue of replies, whatever it may be. */
  async send(queue: string, body: Buffer, properties: object = {}): Promise<void> {
    await this.#replies.send(queue, body, { type: REPLIES_TYPE, ...properties });
  }

  async close(): Promise<void> {
    await Promise.all(this.#consumers.map((consumer) => consumer.close()));
    await this.#replies.close();
    await this.#connection.close();
  }

  #take(queue: string, delivery: Delivery, place: 'loads' | 'partition'): void {
    const frame: ArrivedFrame = { queue, delivery, arrivals: [] };
    for (const entry of decodeFrame(delivery.type, delivery.body, { place })) {
      if (entry.command === undefined) throw entry.rejected.error;
      const { command, documentStart, documentEnd } = entry;
      const document =
        command.action === 'save' ? delivery.body.toString('utf8', documentStart, documentEnd) : undefined;
      frame.arrivals.push({ command, document, frame });
    }
    this.frames.push(frame);
    delivery.settle();
    if (this.#held === undefined) this.#answer(frame);
    else this.#held.push(frame);
  }

  #answer(frame: ArrivedFrame): void {
    const items = frame.arrivals.flatMap((arrival) => this.#decide(arrival));
    const { replyTo, correlationId, headers } = frame.delivery;
    const mode = this.knowsUnapplied ? headers[REPLY_MODE_HEADER] : undefined;
    const isWanted = ({ line }: ReplyItem): boolean =>
      (mode !== REPLY_MODE_FAILURES && mode !== REPLY_MODE_UNAPPLIED) ||
      isFailure(line.outcome) ||
      (mode === REPLY_MODE_UNAPPLIED && line.outcome === 'superseded');
    const wanted = items.filter(isWanted);
    if (replyTo === undefined || (mode !== undefined && wanted.length === 0)) return;
    const parts = this.replyWith === undefined ? encodeReply(wanted) : this.replyWith(frame, wanted);
    for (const [part, body] of parts.entries()) {
      void this.send(replyTo, body, {
        contentType: NDJSON_CONTENT_TYPE,
        correlationId,
        headers: { [REPLY_PART_HEADER]: part, [REPLY_LAST_HEADER]: part === parts.length - 1 },
      });
    }
  }

  #decide(arrival: Arrival): ReplyItem[] {
    const scripted = this.script?.(arrival);
    if (scripted !== undefined) return [scripted];
    const { command, document } = arrival;
    if (command.action === 'list') return this.objects.list(command);
    return [this.objects.answer(command, document)];
  }
}
