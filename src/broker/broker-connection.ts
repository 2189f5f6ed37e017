/**
 * One connection to RabbitMQ that comes back by itself.
 *
 * States: connecting (at start, and after each loss, with backoff) -> connected -> connecting ... -> closed (for ever,
 * by `close`). Only `#run` moves between them. Channels are supervised apart (supervised-channel.ts): a connection
 * that lives says nothing about its channels.
 */
import { EventEmitter } from 'node:events';
import { type ChannelModel, connect } from 'amqplib';
import { backoffMs, pause } from './backoff.ts';
import { BrokerError, toBrokerError } from './broker-error.ts';

export interface BrokerConnectionOptions {
  readonly amqpUrl: string;
  /** Shown in RabbitMQ's list of connections. */
  readonly connectionName: string;
  /** Interval of heartbeats; a peer that says nothing for two of them is dead. Whole seconds on the wire. */
  readonly heartbeatMs: number;
  readonly connectTimeoutMs: number;
  readonly retryDelayMsMin: number;
  readonly retryDelayMsMax: number;
}

interface Events {
  connected: [model: ChannelModel];
  /** After a loss, or after a failed attempt. */
  disconnected: [error: BrokerError];
  /** RabbitMQ takes no publishes for a while (memory or disk alarm), and takes them again. */
  blocked: [reason: string];
  unblocked: [];
}

export class BrokerConnection extends EventEmitter<Events> {
  readonly #options: BrokerConnectionOptions;
  readonly #closing = new AbortController();
  #model: ChannelModel | undefined;
  #running: Promise<void> | undefined;
  #lastError: BrokerError | undefined;

  constructor(options: BrokerConnectionOptions) {
    super();
    this.#options = options;
    // One listener per supervised channel: 64 partitions and a few more.
    this.setMaxListeners(0);
  }

  /** The live connection, if there is one now. */
  get model(): ChannelModel | undefined {
    return this.#model;
  }

  get closed(): boolean {
    return this.#closing.signal.aborted;
  }

  /** Why there is no connection, as far as it is known. */
  get lastError(): BrokerError | undefined {
    return this.#lastError;
  }

  /** Begins to connect, and keeps at it until `close`. */
  start(): void {
    this.#running ??= this.#run();
  }

  /**
   * Begins to connect and resolves when connected.
   *
   * @throws BrokerError if the first attempt fails; nothing goes on then.
   */
  async startOnce(): Promise<void> {
    const model = await this.#open();
    this.#running ??= this.#run(model);
  }

  /** Closes for ever. Safe twice, and before start. */
  async close(): Promise<void> {
    this.#closing.abort();
    const model = this.#model;
    if (model !== undefined) await model.close().catch(() => undefined);
    await this.#running;
  }

  async #run(first?: ChannelModel): Promise<void> {
    let model = first;
    let retry = 0;
    while (!this.closed) {
      try {
        model ??= await this.#open();
        retry = 0;
        await this.#stay(model);
      } catch (error) {
        this.#lastError = toBrokerError(error);
        this.emit('disconnected', this.#lastError);
      }
      model = undefined;
      if (this.closed) return;
      const { retryDelayMsMin, retryDelayMsMax } = this.#options;
      await pause(backoffMs(retry, retryDelayMsMin, retryDelayMsMax), this.#closing.signal);
      retry += 1;
    }
  }

  async #open(): Promise<ChannelModel> {
    const url = new URL(this.#options.amqpUrl);
    if (!url.searchParams.has('heartbeat')) {
      url.searchParams.set('heartbeat', String(Math.max(1, Math.round(this.#options.heartbeatMs / 1_000))));
    }
    try {
      return await connect(url.href, {
        timeout: this.#options.connectTimeoutMs,
        noDelay: true,
        keepAlive: true,
        clientProperties: { connection_name: this.#options.connectionName },
      });
    } catch (error) {
      throw toBrokerError(error);
    }
  }

  /** Announces the connection and stays until it is lost, which it reports by throwing, or closed. */
  async #stay(model: ChannelModel): Promise<void> {
    let reason: Error | undefined;
    model.on('error', (error) => {
      reason = error;
    });
    const lost = new Promise<Error | undefined>((resolve) => {
      model.on('close', (error) => resolve(reason ?? error));
    });
    model.on('blocked', (why) => this.emit('blocked', why));
    model.on('unblocked', () => this.emit('unblocked'));
    this.#model = model;
    this.#lastError = undefined;
    if (this.closed) await model.close().catch(() => undefined);
    else this.emit('connected', model);
    const error = await lost;
    this.#model = undefined;
    if (!this.closed) throw error ?? new BrokerError('BROKER_UNAVAILABLE', 'the connection was closed');
  }
}
