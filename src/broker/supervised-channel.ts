/**
 * A channel that comes back by itself, whatever closed it: its connection, the broker (queue moved, consumer timeout,
 * 404, 406), or `reopen`. Each life of the channel is a generation; what belongs to one is never used on another.
 *
 * States: waiting (no connection, or backing off) -> opening (channel and setup) -> open -> waiting ... -> closed.
 * Only `#run` moves between them.
 */
import type { Channel, ChannelModel, ConfirmChannel } from 'amqplib';
import { backoffMs, pause } from './backoff.ts';
import type { BrokerConnection } from './broker-connection.ts';
import { BrokerError, toBrokerError } from './broker-error.ts';

export interface SupervisedChannelOptions<Kind extends Channel> {
  readonly create: (model: ChannelModel) => Promise<Kind>;
  /** Makes a new channel ready for use: declares, consumes. A failure closes it and tries again later. */
  readonly setup: (channel: Kind) => Promise<void>;
  /** The channel can be used from now on. */
  readonly onOpen?: (channel: Kind) => void;
  /** The channel is gone with all that was unacked or unconfirmed on it. Called once for each `setup`. */
  readonly onLost?: (channel: Kind, error: BrokerError) => void;
  readonly retryDelayMsMin: number;
  readonly retryDelayMsMax: number;
}

/** A channel that stayed open so long begins anew with the shortest delay when it is lost. */
const STABLE_AFTER_MS = 10_000;

export const openChannel = (model: ChannelModel): Promise<Channel> => model.createChannel();
export const openConfirmChannel = (model: ChannelModel): Promise<ConfirmChannel> =>
  model.createConfirmChannel();

export class SupervisedChannel<Kind extends Channel> {
  readonly #connection: BrokerConnection;
  readonly #options: SupervisedChannelOptions<Kind>;
  readonly #closing = new AbortController();
  #channel: Kind | undefined;
  /** The channel that is being set up, before it is `#channel`. */
  #opening: Kind | undefined;
  #running: Promise<void> | undefined;
  #lastError: BrokerError | undefined;

  constructor(connection: BrokerConnection, options: SupervisedChannelOptions<Kind>) {
    this.#connection = connection;
    this.#options = options;
  }

  /** The open channel, if there is one now. */
  get channel(): Kind | undefined {
    return this.#channel;
  }

  /** Why the channel is not open, as far as it is known. */
  get lastError(): BrokerError | undefined {
    return this.#lastError ?? this.#connection.lastError;
  }

  /** Begins to open, and keeps at it until `close`. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** Closes the present channel; a new one is opened. What was unacked returns to its queue, in order. */
  async reopen(): Promise<void> {
    await closeChannel(this.#takeAway(), this.#connection);
  }

  /** Closes for ever. Safe twice, and before start. */
  async close(): Promise<void> {
    this.#closing.abort();
    await closeChannel(this.#takeAway(), this.#connection);
    await this.#running;
  }

  /** Nobody is to use the present channel any more: amqplib throws at everything said on one that is closing. */
  #takeAway(): Kind | undefined {
    const channel = this.#channel ?? this.#opening;
    this.#channel = undefined;
    return channel;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    const { retryDelayMsMin, retryDelayMsMax } = this.#options;
    let retry = 0;
    while (!signal.aborted) {
      const model = await this.#connected();
      if (model === undefined) return;
      const openedAt = performance.now();
      const error = await this.#live(model);
      this.#lastError = error;
      if (signal.aborted) return;
      if (performance.now() - openedAt > STABLE_AFTER_MS) retry = 0;
      await pause(backoffMs(retry, retryDelayMsMin, retryDelayMsMax), signal);
      retry += 1;
    }
  }

  /** The connection, as soon as there is one; `undefined` when closing. */
  async #connected(): Promise<ChannelModel | undefined> {
    const { signal } = this.#closing;
    if (signal.aborted || this.#connection.model !== undefined) return this.#connection.model;
    return await new Promise((resolve) => {
      const done = (model?: ChannelModel): void => {
        this.#connection.off('connected', done);
        signal.removeEventListener('abort', giveUp);
        resolve(model);
      };
      const giveUp = (): void => done();
      this.#connection.on('connected', done);
      signal.addEventListener('abort', giveUp);
    });
  }

  /** One generation: opens, sets up, lives; returns why it ended. */
  async #live(model: ChannelModel): Promise<BrokerError> {
    let channel: Kind;
    try {
      channel = await this.#options.create(model);
    } catch (error) {
      return toBrokerError(error);
    }
    this.#opening = channel;
    let reason: BrokerError | undefined;
    channel.on('error', (error) => {
      reason = toBrokerError(error);
      this.#takeAway();
    });
    // A listener of ours that throws must not be taken for a fault of the channel (amqplib 1.0.7 and newer).
    channel.on('handler-error', (error) => {
      queueMicrotask(() => {
        throw error;
      });
    });
    const ending = new AbortController();
    const end = (): void => {
      this.#takeAway();
      ending.abort();
    };
    const ended = new Promise<void>((resolve) => {
      ending.signal.addEventListener('abort', () => resolve());
    });
    channel.on('close', end);
    // A channel does not always say that its connection is gone.
    model.once('close', end);
    try {
      await this.#options.setup(channel);
      if (this.#closing.signal.aborted) await closeChannel(channel, this.#connection);
      else {
        this.#channel = channel;
        this.#lastError = undefined;
        this.#options.onOpen?.(channel);
      }
    } catch (error) {
      reason ??= toBrokerError(error);
      await closeChannel(channel, this.#connection);
      end();
    }
    await ended;
    model.off('close', end);
    this.#opening = undefined;
    this.#channel = undefined;
    reason ??= new BrokerError('BROKER_UNAVAILABLE', 'the channel was closed');
    this.#options.onLost?.(channel, reason);
    return reason;
  }
}

/**
 * How long the broker may take to answer a channel's close. It answers in milliseconds; one that says nothing for so
 * long is gone, and its connection is cut, which ends every channel on it.
 */
const CLOSE_TIMEOUT_MS = 2_000;

/** Closes a channel; if its connection ends before the broker answers, amqplib's own promise never settles. */
async function closeChannel(channel: Channel | undefined, connection: BrokerConnection): Promise<void> {
  if (channel === undefined) return;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => connection.cut(), CLOSE_TIMEOUT_MS);
    const done = (): void => {
      clearTimeout(timer);
      resolve();
    };
    channel.once('close', done);
    channel.close().then(done, done);
  });
}
