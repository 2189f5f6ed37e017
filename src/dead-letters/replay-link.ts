/**
 * The way to the workers and back: publishes frames with confirm and mandatory and waits for each reply. Does not come
 * back after a loss: a replay stops then, what was not answered stays open, and it is run again.
 */
import { randomBytes } from 'node:crypto';
import { BrokerConnection } from '../broker/broker-connection.ts';
import { ConfirmingPublisher, type PublishResult } from '../broker/confirming-publisher.ts';
import { type Reply, ReplyConsumer } from '../broker/reply-consumer.ts';
import { type ErrorCode, HoldfastError } from '../contract/errors.ts';
import {
  COMMANDS_TYPE,
  type Names,
  NDJSON_CONTENT_TYPE,
  REPLIES_TYPE,
  REPLY_LAST_HEADER,
} from '../contract/names.ts';
import { decodeReply, type ReplyLine } from '../contract/reply.ts';
import type { ReplayFrame } from './replay-frames.ts';

export interface ReplayLinkOptions {
  readonly amqpUrl: string;
  readonly names: Names;
  readonly heartbeatMs: number;
  readonly connectTimeoutMs: number;
  readonly confirmTimeoutMs: number;
  readonly retryDelayMsMin: number;
  readonly retryDelayMsMax: number;
  /** Longest time in which nothing at all is answered, in milliseconds. */
  readonly replyTimeoutMs: number;
}

/** What a message says of who published the command first. */
export interface FrameOrigin {
  readonly node: string | undefined;
  /** Seconds since 1970. */
  readonly timestamp: number | undefined;
}

interface Waiting {
  readonly parts: Buffer[];
  readonly resolve: (lines: ReplyLine[]) => void;
  readonly reject: (error: HoldfastError) => void;
}

export class ReplayLink {
  readonly #options: ReplayLinkOptions;
  readonly #connection: BrokerConnection;
  readonly #publisher: ConfirmingPublisher;
  readonly #replies: ReplyConsumer;
  readonly #waiting = new Map<string, Waiting>();
  #replyQueue = '';
  #onOpen: () => void = () => {};
  #failed: HoldfastError | undefined;
  #sent = 0;
  /** When something was last answered, or sent while nothing else was waited for. */
  #heardAt = 0;
  #watch: NodeJS.Timeout | undefined;
  #closed = false;

  private constructor(options: ReplayLinkOptions) {
    this.#options = options;
    this.#connection = new BrokerConnection({ ...options, connectionName: 'holdfast dead-letters replay' });
    const lost = (): void => {
      if (this.#closed) return;
      this.#fail('UNAVAILABLE', 'the connection to RabbitMQ was lost; letters without an answer stay open');
    };
    this.#publisher = new ConfirmingPublisher(this.#connection, {
      ...options,
      onOpen: () => this.#onOpen(),
      onLost: lost,
    });
    this.#replies = new ReplyConsumer(this.#connection, {
      ...options,
      queueName: () => `${options.names.repliesPrefix}replay-${randomBytes(8).toString('hex')}`,
      onReply: (reply) => this.#hear(reply),
      onOpen: (queue) => {
        this.#replyQueue = queue;
        this.#onOpen();
      },
      onLost: lost,
    });
  }

  /** Connects. @throws BrokerError if RabbitMQ cannot be reached; HoldfastError `UNAVAILABLE` if it does not let us. */
  static async open(options: ReplayLinkOptions): Promise<ReplayLink> {
    const link = new ReplayLink(options);
    try {
      await link.#connection.startOnce();
      await link.#ready();
    } catch (error) {
      await link.close();
      throw error;
    }
    return link;
  }

  /**
   * Publishes a frame and resolves with its reply: one line for each command, or one for the whole frame.
   *
   * @throws HoldfastError `UNROUTABLE`, `OVERLOADED`, `UNAVAILABLE` or `TIMEOUT`; then nothing more can be sent.
   */
  async send(frame: ReplayFrame, { node, timestamp }: FrameOrigin): Promise<ReplyLine[]> {
    if (this.#failed !== undefined) throw this.#failed;
    this.#sent += 1;
    const correlationId = String(this.#sent);
    if (this.#waiting.size === 0) this.#heardAt = performance.now();
    const answered = new Promise<ReplyLine[]>((resolve, reject) => {
      this.#waiting.set(correlationId, { parts: [], resolve, reject });
    });
    this.#watchReplies();
    const { names } = this.#options;
    this.#publisher
      .publish(names.commandsExchange, frame.routingKey, frame.body, {
        type: COMMANDS_TYPE,
        contentType: NDJSON_CONTENT_TYPE,
        persistent: true,
        messageId: frame.messageId,
        correlationId,
        replyTo: this.#replyQueue,
        // A short string of AMQP has 255 bytes; a node of 255 characters may have more.
        ...(node === undefined || Buffer.byteLength(node) > 255 ? {} : { appId: node }),
        ...(timestamp === undefined ? {} : { timestamp }),
      })
      .then(
        (result) => this.#published(result, frame),
        (error: unknown) => this.#fail('UNAVAILABLE', error instanceof Error ? error.message : String(error)),
      );
    return await answered;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#watch);
    await this.#replies.close();
    await this.#publisher.close();
    await this.#connection.close();
  }

  async #ready(): Promise<void> {
    const { connectTimeoutMs } = this.#options;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        const why = this.#replies.lastError ?? this.#publisher.lastError;
        const message = `no reply queue could be opened: ${why?.message ?? 'RabbitMQ does not answer'}`;
        reject(new HoldfastError('UNAVAILABLE', message, { scope: 'dependency', retryable: true }));
      }, connectTimeoutMs);
      this.#onOpen = () => {
        if (!this.#publisher.open || this.#replyQueue === '') return;
        clearTimeout(timer);
        resolve();
      };
      this.#publisher.start();
      this.#replies.start();
    });
    this.#failed = undefined;
  }

  #published(result: PublishResult, { routingKey }: ReplayFrame): void {
    if (result === 'confirmed') return;
    if (result === 'returned') this.#fail('UNROUTABLE', `no queue takes the routing key ${routingKey}`);
    else if (result === 'refused') this.#fail('OVERLOADED', `the queue of routing key ${routingKey} is full`);
    else this.#fail('UNAVAILABLE', 'RabbitMQ did not confirm; letters without an answer stay open');
  }

  #hear({ type, correlationId, headers, body }: Reply): void {
    const waiting = this.#waiting.get(String(correlationId));
    if (waiting === undefined || type !== REPLIES_TYPE) return;
    this.#heardAt = performance.now();
    waiting.parts.push(body);
    if (headers[REPLY_LAST_HEADER] !== true) return;
    this.#waiting.delete(String(correlationId));
    try {
      waiting.resolve(decodeReply(Buffer.concat(waiting.parts), () => false).map(({ line }) => line));
    } catch {
      waiting.reject(failure('UNAVAILABLE', 'a worker answered what is no reply; is it of another version?'));
    }
  }

  /** One timer for all: any answer shows that workers are there. */
  #watchReplies(): void {
    if (this.#watch !== undefined || this.#closed) return;
    const { replyTimeoutMs } = this.#options;
    const dueMs = Math.max(1, this.#heardAt + replyTimeoutMs - performance.now());
    this.#watch = setTimeout(() => {
      this.#watch = undefined;
      if (this.#waiting.size === 0) return;
      if (performance.now() - this.#heardAt < replyTimeoutMs) this.#watchReplies();
      else this.#fail('TIMEOUT', `no worker answered for ${replyTimeoutMs} ms; what was sent stays open`);
    }, dueMs);
    this.#watch.unref();
  }

  #fail(code: ErrorCode, message: string): void {
    this.#failed ??= failure(code, message);
    const lost = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of lost) reject(this.#failed);
  }
}

function failure(code: ErrorCode, message: string): HoldfastError {
  return new HoldfastError(code, message, { scope: 'dependency', retryable: true });
}
