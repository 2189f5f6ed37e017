/** The client: what object nodes call. It checks, builds and hands over; what happens then is the dispatcher's. */
import { EventEmitter } from 'node:events';
import type { BrokerError } from '../broker/broker-error.ts';
import { ContractError, type HoldfastError } from '../contract/errors.ts';
import { namesFor, routingKey } from '../contract/names.ts';
import { VersionClock } from '../contract/version-clock.ts';
import { type Call, callForMany, callForOne } from './call.ts';
import { ClaimedEpochs } from './claimed-epochs.ts';
import type {
  ClaimOptions,
  DeleteInput,
  ListOptions,
  LoadOptions,
  ReadOptions,
  SaveInput,
  WriteOptions,
} from './client-input.ts';
import type { ClientLogger, ClientOptions } from './client-options.ts';
import { type ClientStats, FailureCounts } from './client-stats.ts';
import { CommandBuilder, requireDuration, requireTimeout, requireWord } from './command-builder.ts';
import { Dispatcher } from './dispatcher.ts';
import type { Failure } from './failure.ts';
import { Link } from './link.ts';
import type { Outgoing, Wants } from './outgoing.ts';
import { ReplyReader } from './reply-reader.ts';
import type { ClaimResult, DeleteResult, FoundObject, ListPage, LoadResult, SaveResult } from './results.ts';

/** How often the log is told that there is still no connection. */
const WARN_EVERY_MS = 60_000;

export interface ClientEvents {
  /** The client is connected again. */
  connected: [];
  /** The connection, or what the client needs of it, is lost. The client comes back by itself; nothing is dropped. */
  disconnected: [error: HoldfastError];
  /** RabbitMQ takes nothing for a while (memory or disk alarm); what is handed over waits. */
  blocked: [reason: string];
  unblocked: [];
  /** A write failed that nobody waits for any more. Logged as an error if nobody listens. */
  failure: [failure: Failure];
}

/**
 * A connection to Holdfast, made by `connect`. Safe to use from everywhere in a process; one is enough.
 *
 * Every call settles exactly once. What is bad in itself rejects with a `ContractError` and is not sent; what a worker
 * decided against with an `OutcomeError`; what could not be done, or is unknown, with a `ClientError`.
 *
 * Commands of one object take effect in the order of the calls.
 */
export class HoldfastClient extends EventEmitter<ClientEvents> {
  readonly #options: ClientOptions;
  readonly #logger: ClientLogger;
  readonly #link: Link;
  readonly #dispatcher: Dispatcher;
  readonly #builder: CommandBuilder;
  readonly #clock = new VersionClock();
  readonly #claims: ClaimedEpochs;
  readonly #failures = new FailureCounts();
  #closing: Promise<void> | undefined;
  #ended = false;
  #onUp: (() => void) | undefined;
  /** Told of what no waiting will mend, while `start` waits. */
  #onRefused: ((error: BrokerError) => void) | undefined;
  /** When the log was last told that there is no connection. */
  #warnedAt = Number.NEGATIVE_INFINITY;

  /** @internal */
  constructor(options: ClientOptions, logger: ClientLogger) {
    super();
    this.#options = options;
    this.#logger = logger;
    const names = namesFor(options.prefix);
    this.#claims = new ClaimedEpochs(options.claimsMax);
    this.#link = new Link(options, names.repliesPrefix, {
      onUp: () => this.#up(),
      onDown: (error) => this.#down(error),
      onUnreachable: (error) => this.#unreachable(error),
      onRepliesLost: () => {
        replies.clear();
        this.#dispatcher.noteRepliesLost();
      },
      onPublisherLost: (error) => this.#dispatcher.notePublisherLost(error),
      onReply: (reply) => replies.read(reply),
      onBlocked: (reason) => this.#tell(() => this.emit('blocked', reason)),
      onUnblocked: () => this.#tell(() => this.emit('unblocked')),
    });
    this.#dispatcher = new Dispatcher(this.#link, options, {
      onError: (error) => this.#failures.addError(error),
      onRefusal: (queue) =>
        logger.warn({ queue }, 'RabbitMQ refuses frames, as a full queue does; they are sent again'),
    });
    const replies = new ReplyReader({
      dispatcher: this.#dispatcher,
      replyBytesMax: options.replyBytesMax,
      onVersion: (id, version) => this.#clock.observe(id, version),
      onClaimed: (id, epoch) => this.#claims.remember(id, epoch),
      onFailure: (failure) => this.#report(failure),
      onUnreadable: (reason, error) => logger.warn({ reason, err: error }, 'ignored a reply'),
    });
    const { commandsExchange, loadsQueue } = names;
    this.#builder = new CommandBuilder({
      clock: this.#clock,
      claims: this.#claims,
      documentBytesMax: options.documentBytesMax,
      schemas: options.types,
      partitions: Array.from({ length: options.partitions }, (_, partition) =>
        this.#dispatcher.addSender({
          exchange: commandsExchange,
          routingKey: routingKey(options.partitions, partition),
          ordered: true,
        }),
      ),
      loads: this.#dispatcher.addSender({ exchange: '', routingKey: loadsQueue, ordered: false }),
    });
  }

  /**
   * Begins to connect and resolves when connected.
   *
   * @internal
   */
  async start(signal: AbortSignal | undefined): Promise<void> {
    const { waitForBroker, connectTimeoutMs } = this.#options;
    signal?.throwIfAborted();
    const ended = new AbortController();
    const whileWaiting = { signal: ended.signal };
    try {
      await new Promise<void>((resolve, reject) => {
        this.#onUp = resolve;
        this.#onRefused = reject;
        signal?.addEventListener('abort', () => reject(signal.reason), whileWaiting);
        this.#link.start(!waitForBroker).then(() => {
          if (waitForBroker || ended.signal.aborted) return;
          // Connected; what is left is to open two channels.
          const timer = setTimeout(() => {
            reject(this.#link.lastError ?? new Error('no channel could be opened in time'));
          }, connectTimeoutMs);
          ended.signal.addEventListener('abort', () => clearTimeout(timer));
        }, reject);
      });
    } finally {
      this.#onUp = undefined;
      this.#onRefused = undefined;
      ended.abort();
    }
  }

  /**
   * Writes an object's state.
   *
   * @throws ContractError if the command is bad in itself.
   * @throws OutcomeError with `until: 'persisted'`, if a worker decided against it.
   * @throws ClientError `UNROUTABLE`, `OVERLOADED`, `CLOSED`; and `TIMEOUT` or `UNAVAILABLE`, after which the write may
   * have been applied, or may be later: a repetition with the same `version` is safe.
   * @throws BrokerError `BROKER_REFUSED` if RabbitMQ does not let this user publish there; it was not written.
   */
  save(object: SaveInput, options: WriteOptions = {}): Promise<SaveResult> {
    return callForOne((call) =>
      this.#submitWrites(() => [this.#builder.save(object, wants(options), call, 0)], options),
    );
  }

  /**
   * Writes the states of many objects, packed into few messages. Resolves with one result for each, in order.
   *
   * Not a transaction: each is decided by itself. If one is bad in itself, or `onFull` is `fail` and there is no room for
   * all of them, none is sent.
   *
   * @throws PartialFailureError once all are settled, if some failed.
   */
  saveMany(objects: readonly SaveInput[], options: WriteOptions = {}): Promise<SaveResult[]> {
    return this.#many(objects, options, (object, call, index) =>
      this.#builder.save(object, wants(options), call, index),
    );
  }

  /** Removes an object. As `save`; a delete of what is not there is applied too. */
  delete(object: string | DeleteInput, options: WriteOptions = {}): Promise<DeleteResult> {
    return callForOne((call) =>
      this.#submitWrites(() => [this.#builder.delete(deleteInput(object), wants(options), call, 0)], options),
    );
  }

  /** Removes many objects. As `saveMany`. */
  deleteMany(
    objects: readonly (string | DeleteInput)[],
    options: WriteOptions = {},
  ): Promise<DeleteResult[]> {
    return this.#many(objects, options, (object, call, index) =>
      this.#builder.delete(deleteInput(object), wants(options), call, index),
    );
  }

  /**
   * Reads an object.
   *
   * @throws ClientError `TIMEOUT`, `UNAVAILABLE`, `UNROUTABLE`, `OVERLOADED`, `CLOSED`; never is a load that failed
   * taken for an object that is absent.
   * @throws OutcomeError if the stored object cannot be read.
   */
  load(id: string, options: LoadOptions = {}): Promise<LoadResult> {
    return callForOne((call) => this.#submitReads([this.#buildLoad(id, options, call, 0)], options));
  }

  /**
   * Reads many objects, packed into few messages. Resolves with one result for each id, in order.
   *
   * @throws PartialFailureError once all are settled, if some failed.
   */
  loadMany(ids: readonly string[], options: LoadOptions = {}): Promise<LoadResult[]> {
    return callForMany(ids.length, (call) =>
      this.#submitReads(
        ids.map((id, index) => numbered(index, () => this.#buildLoad(id, options, call, index))),
        options,
      ),
    );
  }

  /**
   * Takes an object over: raises its epoch, so that writes of every earlier owner come back `fenced`, and reads it. Also
   * for objects that do not exist yet.
   *
   * The epoch is remembered: later writes of the object by this client carry it, until `release`.
   *
   * @throws as `load`; `OVERLOADED` also if `claimsMax` objects are claimed already. After `TIMEOUT` or `UNAVAILABLE` the
   * claim may have been made; a repetition with the same `claimId` is given the same epoch.
   */
  claim(id: string, options: ClaimOptions = {}): Promise<ClaimResult> {
    const { claimId, epoch, document = true } = options;
    const timeoutMs = this.#timeoutOf(options);
    return callForOne((call) =>
      this.#submitReads([this.#builder.claim({ id, claimId, epoch, document, timeoutMs }, call)], options),
    );
  }

  /**
   * Forgets an object that is no longer owned: its epoch, and a version of it that is ahead of the clock, which later
   * writes would be numbered above. What is stored stays. Returns whether an epoch was known. Await what was written of
   * the object before.
   *
   * Also for what is not claimed: after `holdfast object --reset` a node that knows the wild version forgets it so.
   */
  release(id: string): boolean {
    this.#clock.forget(id);
    this.#dispatcher.highest.forget(id);
    return this.#claims.forget(id);
  }

  /** The epoch that writes of the object carry: 0 if this client did not claim it. */
  epochOf(id: string): number {
    return this.#claims.epochOf(id);
  }

  /**
   * Reads one page of the objects of a type as they are committed, in the order of the bytes of their ids.
   *
   * @throws as `load`.
   */
  list(type: string, options: ListOptions = {}): Promise<ListPage> {
    const { after, limit, documents = false } = options;
    const timeoutMs = this.#timeoutOf(options);
    return callForOne((call) =>
      this.#submitReads([this.#builder.list({ type, after, limit, documents, timeoutMs }, call)], options),
    );
  }

  /**
   * Reads all objects of a type, page by page as they are consumed; `limit` is the size of a page, `timeoutMs` holds for
   * each. Not a snapshot: what is written meanwhile may or may not appear.
   */
  async *listAll(type: string, options: ListOptions = {}): AsyncGenerator<FoundObject, void, undefined> {
    let { after } = options;
    for (;;) {
      const { objects, more } = await this.list(type, { ...options, after });
      yield* objects;
      after = objects.at(-1)?.id;
      if (!more || after === undefined) return;
    }
  }

  /**
   * Resolves when every write handed over before is settled: confirmed, or with `persisted` answered, or failed, which
   * its own call says.
   */
  async flush(): Promise<void> {
    await this.#dispatcher.flush();
  }

  /**
   * Closes the client. What was begun is finished first, within `drainTimeoutMs`; what is left then fails: with `CLOSED`
   * if it was never sent, with `UNAVAILABLE` if its fate is unknown. Calls from now on fail with `CLOSED`. Safe twice: the
   * second call waits for the first.
   *
   * @param options `drainTimeoutMs`: 0 to 2,147,483,647, or `Infinity` to wait as long as it takes. Default: the client's.
   * @throws ContractError if it is anything else; the client stays open then.
   */
  close({ drainTimeoutMs = this.#options.drainTimeoutMs }: { drainTimeoutMs?: number } = {}): Promise<void> {
    try {
      requireDuration('drainTimeoutMs', drainTimeoutMs);
    } catch (error) {
      return Promise.reject(error);
    }
    this.#closing ??= this.#close(drainTimeoutMs);
    return this.#closing;
  }

  /** What is on its way now, and what was counted since the start. */
  stats(): ClientStats {
    const { admission, counts, framesInFlight } = this.#dispatcher;
    return {
      connected: this.#link.up,
      lastError: this.#link.up ? undefined : this.#link.lastError,
      blocked: this.#link.blocked,
      bufferedItems: admission.sending.items,
      bufferedBytes: admission.sending.bytes,
      awaitingItems: admission.awaiting.items,
      awaitingBytes: admission.awaiting.bytes,
      waitingItems: admission.waitingCount,
      framesInFlight,
      claimedObjects: this.#claims.size,
      ...counts,
      failures: this.#failures.counts(),
    };
  }

  #many<Input>(
    inputs: readonly Input[],
    options: WriteOptions,
    build: (input: Input, call: Call, index: number) => Outgoing,
  ): Promise<SaveResult[]> {
    return callForMany(inputs.length, (call) =>
      this.#submitWrites(
        () => inputs.map((input, index) => numbered(index, () => build(input, call, index))),
        options,
      ),
    );
  }

  #submitWrites(build: () => readonly Outgoing[], options: WriteOptions): void {
    const { onFull = this.#options.onFull, signal, until } = options;
    const { timeoutMs = until === 'persisted' ? this.#options.persistTimeoutMs : undefined } = options;
    requireTimeout(timeoutMs);
    this.#builder.handOver(() => this.#dispatcher.submit(build(), { onFull, signal, timeoutMs }));
  }

  #submitReads(commands: readonly Outgoing[], options: ReadOptions): void {
    const { onFull = this.#options.onFull, signal } = options;
    this.#dispatcher.submit(commands, { onFull, signal, timeoutMs: this.#timeoutOf(options) });
  }

  #buildLoad(id: string, options: LoadOptions, call: Call, index: number): Outgoing {
    const { consistency = 'ordered', document = true } = options;
    requireWord('consistency', consistency, ['ordered', 'committed']);
    const ordered = consistency === 'ordered';
    return this.#builder.load({ id, ordered, document, timeoutMs: this.#timeoutOf(options) }, call, index);
  }

  #timeoutOf({ timeoutMs = this.#options.loadTimeoutMs }: ReadOptions): number {
    return timeoutMs;
  }

  async #close(drainTimeoutMs: number): Promise<void> {
    await this.#dispatcher.drain(drainTimeoutMs);
    // Failures of what was confirmed before; whoever replies later finds no queue, and writes a dead letter.
    await this.#link.stopReplies();
    this.#ended = true;
    this.#dispatcher.end();
    await this.#link.close();
  }

  #up(): void {
    this.#warnedAt = Number.NEGATIVE_INFINITY;
    this.#onUp?.();
    this.#dispatcher.resume();
    this.#tell(() => this.emit('connected'));
  }

  #down(error: BrokerError): void {
    if (this.#ended) return;
    this.#warnedAt = performance.now();
    this.#logger.warn({ err: error }, 'lost the connection to RabbitMQ');
    this.#tell(() => this.emit('disconnected', error));
  }

  /** An attempt to connect failed: said at first, and then now and again. */
  #unreachable(error: BrokerError): void {
    if (this.#ended) return;
    if (error.code === 'BROKER_REFUSED' && this.#onRefused !== undefined) {
      this.#onRefused(error);
      return;
    }
    const now = performance.now();
    if (now - this.#warnedAt < WARN_EVERY_MS) return;
    this.#warnedAt = now;
    this.#logger.warn({ err: error }, 'cannot connect to RabbitMQ; trying again');
  }

  #report(failure: Failure): void {
    this.#failures.add(failure.code);
    if (this.listenerCount('failure') > 0) {
      this.#tell(() => this.emit('failure', failure));
      return;
    }
    const { id, code, message, version, epoch } = failure;
    this.#logger.error({ objectId: id, code, reason: message, version, epoch }, 'a confirmed write failed');
  }

  /** A listener that throws is a bug of its own, and must not keep others from what they wait for. */
  #tell(emit: () => void): void {
    if (this.#ended) return;
    try {
      emit();
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }
}

function wants({ until }: WriteOptions): Wants {
  requireWord('until', until, ['confirmed', 'persisted']);
  return until === 'persisted' ? 'answer' : 'confirm';
}

function deleteInput(object: string | DeleteInput): DeleteInput {
  return typeof object === 'string' ? { id: object } : object;
}

/** Says which command of a call of many it is that is bad. */
function numbered<T>(index: number, build: () => T): T {
  try {
    return build();
  } catch (error) {
    if (!(error instanceof ContractError)) throw error;
    throw new ContractError(error.code, `command ${index}: ${error.message}`, { cause: error });
  }
}
