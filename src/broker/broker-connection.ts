/**
 * One connection to RabbitMQ that comes back by itself.
 *
 * States: connecting (at start, and after each loss, with backoff) -> connected -> connecting ... -> closed (for ever,
 * by `close`). Only `#run` moves between them. Channels are supervised apart (supervised-channel.ts): a connection
 * that lives says nothing about its channels.
 */
import { EventEmitter } from 'node:events';
import type { Duplex } from 'node:stream';
import { type ChannelModel, connect } from 'amqplib';
import { backoffMs, pause } from './backoff.ts';
import { BrokerError, toBrokerError } from './broker-error.ts';
import { coalesceWrites } from './coalesce-writes.ts';

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

/**
 * How long an orderly close may take. RabbitMQ answers in milliseconds; a peer that is gone never does, and amqplib would
 * wait for ever.
 */
const CLOSE_TIMEOUT_MS = 2_000;

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
  #blocked = false;

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

  /** Whether RabbitMQ takes no publishes at present. */
  get blocked(): boolean {
    return this.#blocked;
  }

  /** Major version of the broker, as far as it tells; 0 if not connected. */
  get brokerMajorVersion(): number {
    const version: unknown = this.#model?.connection.serverProperties.version;
    return typeof version === 'string' ? Number.parseInt(version, 10) || 0 : 0;
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
    if (this.closed) await closeModel(model);
    else this.#running ??= this.#run(model);
  }

  /** Ends the present connection at once; unless closed, it comes back. For a peer that does not answer. */
  cut(): void {
    if (this.#model !== undefined) cutModel(this.#model);
  }

  /** Closes for ever, within seconds even if the peer is silent. Safe twice, and before start. */
  async close(): Promise<void> {
    this.#closing.abort();
    const model = this.#model;
    if (model !== undefined) await closeModel(model);
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
        if (this.closed) return;
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
    const dialing = new AbortController();
    const opening = this.#dial(url.href, dialing.signal);
    try {
      return await unlessAborted(opening, this.#closing.signal);
    } catch (error) {
      // Nobody waits for an attempt that goes on beyond the close, but what it opens is closed again.
      opening.then(closeModel, () => undefined);
      // Its socket would keep the process until the attempt times out.
      dialing.abort();
      throw toBrokerError(error);
    }
  }

  /** @param signal destroys the socket; nobody may abort it once there is a connection. */
  async #dial(url: string, signal: AbortSignal): Promise<ChannelModel> {
    // amqplib hands them all to the socket; its types do not know each.
    const socketOptions = {
      signal,
      timeout: this.#options.connectTimeoutMs,
      noDelay: true,
      keepAlive: true,
      clientProperties: { connection_name: this.#options.connectionName },
    };
    return await connect(url, socketOptions);
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
    // One listener for each channel, and there is one for each partition.
    model.setMaxListeners(0);
    model.on('blocked', (why) => {
      this.#blocked = true;
      this.emit('blocked', why);
    });
    model.on('unblocked', () => {
      this.#blocked = false;
      this.emit('unblocked');
    });
    // With the frame that opens a connection RabbitMQ may send one that closes it, as when it is shutting down; amqplib has
    // told of that before anybody could listen, and tells nothing more.
    if (streamOf(model).writableEnded) {
      throw new BrokerError('BROKER_UNAVAILABLE', 'RabbitMQ closed the connection as soon as it was open');
    }
    coalesceWrites(streamOf(model));
    this.#model = model;
    this.#lastError = undefined;
    if (this.closed) await closeModel(model);
    else this.emit('connected', model);
    const error = await lost;
    this.#model = undefined;
    if (this.#blocked) {
      this.#blocked = false;
      this.emit('unblocked');
    }
    if (!this.closed) throw error ?? new BrokerError('BROKER_UNAVAILABLE', 'the connection was closed');
  }
}

/** Closes a connection, orderly if the peer answers in time, else by ending its socket. */
async function closeModel(model: ChannelModel): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => cutModel(model), CLOSE_TIMEOUT_MS);
    const done = (): void => {
      clearTimeout(timer);
      resolve();
    };
    model.on('error', () => undefined);
    model.on('close', done);
    model.close().then(done, done);
  });
}

/** amqplib has no word for this; its connection takes an error of its socket for the end. */
function cutModel(model: ChannelModel): void {
  streamOf(model).destroy(new Error('RabbitMQ does not answer'));
}

/** The socket of a connection, which amqplib ends when the connection is closed. Not documented. */
function streamOf(model: ChannelModel): Duplex {
  return (model.connection as unknown as { readonly stream: Duplex }).stream;
}

async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return await new Promise<T>((resolve, reject) => {
    const abort = (): void =>
      reject(new BrokerError('BROKER_UNAVAILABLE', 'the connection was closed by ourselves'));
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort);
    void promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
