/**
 * A bare connection to RabbitMQ that comes back by itself, and sends again what was not confirmed, with the same message
 * id: what a careful publisher without our library does.
 */
import { randomUUID } from 'node:crypto';
import { type ChannelModel, type ConfirmChannel, type ConsumeMessage, connect } from 'amqplib';

export interface RawMessage {
  readonly messageId: string;
  readonly routingKey: string;
  readonly body: Buffer;
  readonly type: string;
  /** Seconds since 1970; kept when the message is sent again: a letter's id follows from it. */
  readonly timestamp: number;
  /** `none`: nobody is to be told anything. */
  readonly replyMode: 'all' | 'failures' | 'none';
}

export interface RawLinkEvents {
  /** The queue of replies is gone, with what was in it. */
  readonly onRepliesLost: () => void;
  readonly onReply: (messageId: string, body: Buffer, part: number, last: boolean) => void;
}

const RETRY_MS = 200;
const CONFIRM_TIMEOUT_MS = 20_000;

export class RawLink {
  readonly #url: string;
  readonly #prefix: string;
  readonly #name: string;
  readonly #events: RawLinkEvents;
  #model: ChannelModel | undefined;
  #channel: ConfirmChannel | undefined;
  #replyQueue = '';
  #closed = false;
  readonly #pending = new Map<
    string,
    { readonly message: RawMessage; readonly confirm: (confirmed: boolean) => void; sentAt: number }
  >();
  readonly #watch: NodeJS.Timeout;

  constructor(url: string, prefix: string, name: string, events: RawLinkEvents) {
    this.#url = url;
    this.#prefix = prefix;
    this.#name = name;
    this.#events = events;
    this.#watch = setInterval(() => this.#giveUpDead(), 1_000);
  }

  get pending(): number {
    return this.#pending.size;
  }

  async open(): Promise<void> {
    while (!this.#closed && this.#channel === undefined) {
      try {
        await this.#connect();
      } catch {
        this.#drop();
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  /** Resolves once the message is confirmed, whatever happens to connections; false if we were closed before. */
  publish(message: RawMessage): Promise<boolean> {
    return new Promise((confirm) => {
      this.#pending.set(message.messageId, { message, confirm, sentAt: performance.now() });
      this.#send(message);
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#watch);
    const model = this.#model;
    this.#model = undefined;
    this.#channel = undefined;
    await model?.close().catch(() => undefined);
    for (const { confirm } of this.#pending.values()) confirm(false);
    this.#pending.clear();
  }

  async #connect(): Promise<void> {
    const url = new URL(this.#url);
    url.searchParams.set('heartbeat', '3');
    const model = await connect(url.href, {
      timeout: 5_000,
      clientProperties: { connection_name: this.#name },
    });
    this.#model = model;
    model.on('error', () => undefined);
    model.on('close', () => this.#lost(model));
    const channel = await model.createConfirmChannel();
    channel.on('error', () => undefined);
    channel.on('close', () => this.#lost(model));
    this.#replyQueue = `${this.#prefix}.replies.${randomUUID()}`;
    await channel.assertQueue(this.#replyQueue, { exclusive: true, autoDelete: true });
    await channel.consume(this.#replyQueue, (reply) => this.#reply(reply), { noAck: true });
    if (this.#model !== model) throw new Error('lost while opening');
    this.#channel = channel;
    for (const { message } of this.#pending.values()) this.#send(message);
  }

  #lost(model: ChannelModel): void {
    if (this.#model !== model || this.#closed) return;
    const wasOpen = this.#channel !== undefined;
    this.#drop();
    if (wasOpen) void this.open();
  }

  /** Whatever the reason: with the connection goes its queue of replies. */
  #drop(): void {
    if (this.#replyQueue !== '') {
      this.#replyQueue = '';
      this.#events.onRepliesLost();
    }
    const model = this.#model;
    this.#model = undefined;
    this.#channel = undefined;
    model?.close().catch(() => undefined);
  }

  #send(message: RawMessage): void {
    const channel = this.#channel;
    const pending = this.#pending.get(message.messageId);
    if (channel === undefined || pending === undefined) return;
    pending.sentAt = performance.now();
    const { messageId, routingKey, body, type, timestamp, replyMode } = message;
    channel.publish(
      `${this.#prefix}.commands`,
      routingKey,
      body,
      {
        type,
        contentType: 'application/x-ndjson',
        persistent: true,
        mandatory: true,
        messageId,
        appId: this.#name,
        timestamp,
        ...(replyMode === 'none' ? {} : { replyTo: this.#replyQueue, correlationId: messageId }),
        headers: replyMode === 'failures' ? { 'holdfast-reply': 'failures' } : {},
      },
      (error: unknown) => {
        if (this.#channel !== channel || this.#pending.get(messageId) !== pending) return;
        if (error) {
          // Refused, because the queue is full or has no leader: again, a little later.
          setTimeout(() => this.#send(message), RETRY_MS);
          return;
        }
        this.#pending.delete(messageId);
        pending.confirm(true);
      },
    );
  }

  #reply(reply: ConsumeMessage | null): void {
    if (reply === null) return;
    const { correlationId, headers = {} } = reply.properties;
    this.#events.onReply(
      String(correlationId),
      reply.content,
      Number(headers['holdfast-part']),
      headers['holdfast-last'] === true,
    );
  }

  /** A half-open connection confirms nothing, and closing it needs an answer too. */
  #giveUpDead(): void {
    const now = performance.now();
    const dead = [...this.#pending.values()].some(({ sentAt }) => now - sentAt > CONFIRM_TIMEOUT_MS);
    if (!dead || this.#channel === undefined) return;
    this.#drop();
    void this.open();
  }
}
