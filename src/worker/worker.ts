/** A worker replica: wires the stages together, starts them, and stops them in order. */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { BrokerConnection } from '../broker/broker-connection.ts';
import { ConfirmingPublisher } from '../broker/confirming-publisher.ts';
import { loadTypes } from '../config/load-types.ts';
import type { Options } from '../config/options.ts';
import { type Names, namesFor } from '../contract/names.ts';
import type { TypeSchemas } from '../contract/type-schemas.ts';
import type { ConnectionOptions } from '../store/connection.ts';
import { PostgresStore } from '../store/postgres-store.ts';
import type { WriteSession } from '../store/store.ts';
import type { StoreError } from '../store/store-error.ts';
import { Health, WORKER_CONDITIONS, type WorkerCondition } from '../telemetry/health.ts';
import { type HttpServer, startHttpServer } from '../telemetry/http-server.ts';
import type { Logger } from '../telemetry/logger.ts';
import { createMetrics, type Metrics } from '../telemetry/metrics.ts';
import { RepeatedLine } from '../telemetry/repeated-line.ts';
import { Backlog } from './backlog.ts';
import { Caution } from './caution.ts';
import { DeadLetterPublisher } from './dead-letter-publisher.ts';
import { drain } from './drain.ts';
import { LetterMover } from './letter-mover.ts';
import { ObjectReader } from './load-answers.ts';
import { LoadResponder } from './load-responder.ts';
import { prepareSchema, prepareTopology } from './prepare.ts';
import { RefusalStreak } from './refusal-streak.ts';
import { ReplySender } from './reply-sender.ts';
import { Retention } from './retention.ts';
import type { SettleContext } from './settle-frame.ts';
import { Subscriptions } from './subscriptions.ts';
import { SuspectNotes } from './suspect-notes.ts';
import { VersionAhead } from './version-ahead.ts';
import { StoppedError, WriteRetry } from './write-retry.ts';
import { runWriter } from './writer.ts';

export interface WorkerOptions {
  readonly options: Options;
  readonly logger: Logger;
  /** Of Holdfast, for the build information. */
  readonly version: string;
  /** Whether somebody chose the HTTP address; if not, and it is taken, the next free port is used. */
  readonly httpAddressGiven?: boolean;
  /** Run missing migrations; true if not given. */
  readonly migrate?: boolean;
  /** Declare exchanges and queues; true if not given. */
  readonly declare?: boolean;
  /** Told, once, of an error behind which the worker cannot go on: end the process and let it be started anew. */
  readonly onFatal?: (error: unknown) => void;
}

export class Worker {
  readonly name: string;
  readonly metrics: Metrics;
  readonly health = new Health<WorkerCondition>(WORKER_CONDITIONS);
  readonly #given: WorkerOptions;
  readonly #options: Options;
  readonly #logger: Logger;
  readonly #names: Names;
  readonly #store: PostgresStore;
  readonly #connectionOptions: ConnectionOptions;
  /** Publishing and consuming apart: an alarm blocks connections that publish. */
  readonly #consuming: BrokerConnection;
  readonly #publishing: BrokerConnection;
  readonly #confirming: ConfirmingPublisher;
  /** The schemas are loaded at start. */
  readonly #decoding: { readonly documentBytesMax: number; schemas: TypeSchemas };
  readonly #backlog: Backlog;
  /** Aborts as soon as the worker is told to stop. */
  readonly #stopping = new AbortController();
  /** Aborts when the drain deadline has passed. */
  readonly #abandoning = new AbortController();
  readonly #sessions: WriteSession[] = [];
  readonly #subscriptions: Subscriptions;
  #onSubscribed: () => void = () => {};
  #storeFailed = false;
  readonly #storeFailures = new RepeatedLine((fields) =>
    this.#logger.warn(fields, 'the database could not be used; trying again'),
  );
  readonly #heldUpLetters = new RepeatedLine((fields) =>
    this.#logger.error(fields, 'dead letters cannot be put into their table; they wait in their queue'),
  );
  readonly #responder: LoadResponder;
  readonly #settle: SettleContext;
  readonly #notes: SuspectNotes;
  readonly #mover: LetterMover;
  readonly #retention: Retention;
  #writers: Promise<unknown> = Promise.resolve();
  #httpServer: HttpServer | undefined;
  #starting: Promise<void> | undefined;
  #stopped: Promise<boolean> | undefined;

  constructor(given: WorkerOptions) {
    const { options, logger, version } = given;
    this.#given = given;
    this.#options = options;
    this.name = options.workerName ?? `${hostname()}-${randomBytes(3).toString('hex')}`;
    this.#logger = logger;
    this.#names = namesFor(options.prefix);
    this.metrics = createMetrics({ version });
    this.#connectionOptions = { ...options, applicationName: `holdfast ${this.name}`.slice(0, 63) };
    this.#store = new PostgresStore({ ...this.#connectionOptions, copyRowsMin: options.copyRowsMin });
    this.#consuming = this.#connection('consume');
    this.#publishing = this.#connection('publish');
    this.#confirming = new ConfirmingPublisher(this.#publishing, options);
    this.#decoding = { documentBytesMax: options.documentBytesMax, schemas: new Map() };
    this.#backlog = new Backlog({ ...options, decoding: this.#decoding });
    this.#settle = this.#settleContext();
    this.#notes = new SuspectNotes({
      ...options,
      workerName: this.name,
      openSession: () => this.#store.openSuspectSession(),
    });
    this.#responder = new LoadResponder({
      ...options,
      openSession: () => this.#store.openReadSession(),
      connections: options.loadConnections,
      reader: () => new ObjectReader(options.replyBytesMax),
      // Stored documents are compressed, to a quarter or so.
      listBytesMax: Math.ceil(options.replyBytesMax / 4),
      settle: this.#settle,
      metrics: this.metrics,
      signal: this.#abandoning.signal,
      onStoreError: (error) => this.#reportStoreError(error, 0),
      onStoreSuccess: () => this.#reportStoreSuccess(),
      onBug: (error) => this.#fail(error),
    });
    this.#mover = new LetterMover(this.#consuming, {
      ...options,
      openSession: () => this.#store.openLetterSession(),
      names: this.#names,
      metrics: this.metrics,
      logger,
      signal: this.#abandoning.signal,
      onHeldUp: (error, reason) => this.#reportHeldUpLetters(error, reason),
      onMoved: () => {
        this.#heldUpLetters.reset();
        this.health.pass('letters');
      },
      onBug: (error) => this.#fail(error),
    });
    this.#retention = new Retention({
      store: this.#store,
      retentionMs: options.tombstoneRetentionMs,
      logger,
      onBug: (error) => this.#fail(error),
    });
    this.#subscriptions = new Subscriptions({
      connection: this.#consuming,
      options,
      names: this.#names,
      workerName: this.name,
      backlog: this.#backlog,
      responder: this.#responder,
      metrics: this.metrics,
      logger,
      onChange: () => this.#reportConsuming(),
    });
    this.metrics.oldestCommandAge.readFrom(() => this.#subscriptions.oldestAgeMs / 1_000);
    this.metrics.frameReturnsMax.readFrom(() => this.#subscriptions.returnsMax);
  }

  /**
   * Starts and resolves once the worker consumes. Waits for servers that are not up yet.
   *
   * @throws HoldfastError if waiting would not help: wrong configuration, wrong topology, no right.
   * @throws StoppedError if it was stopped meanwhile.
   */
  start(): Promise<void> {
    this.#starting ??= this.#stopped === undefined ? this.#start() : Promise.reject(stopped());
    return this.#starting;
  }

  /** Stops in order (drain.ts). Safe twice, and before start. Resolves with whether all work was finished. */
  stop(): Promise<boolean> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #start(): Promise<void> {
    const options = this.#options;
    const logger = this.#logger;
    this.#decoding.schemas = await loadTypes(options.types);
    this.#httpServer = await startHttpServer({
      address: options.httpAddress,
      addressGiven: this.#given.httpAddressGiven ?? false,
      health: this.health,
      metrics: this.metrics,
      onError: (error) => logger.warn({ err: error }, 'HTTP request failed'),
    });
    if (this.#httpServer.address !== undefined) {
      logger.info(
        {
          address: this.#httpServer.address,
          ...(this.#httpServer.moved ? { requestedAddress: options.httpAddress } : {}),
        },
        'serving metrics and health',
      );
    }
    this.#consuming.start();
    this.#publishing.start();
    const context = { options, logger, signal: this.#stopping.signal };
    const migrateSchema = this.#given.migrate ?? true;
    await prepareSchema(context, this.#store, this.#connectionOptions, migrateSchema);
    this.health.pass('store');
    this.health.pass('schema');
    this.health.pass('letters');
    this.metrics.storeAvailable.set(true);
    if (this.#given.declare ?? true) await prepareTopology(context, this.#consuming, this.#names);
    // A signal that has aborted already tells nobody any more; from here on nothing is waited for until all listen to it.
    if (this.#stopping.signal.aborted) throw stopped();
    this.#confirming.start();
    this.#responder.start();
    this.#mover.start();
    this.#startWriters();
    this.#retention.start();
    await this.#subscribe();
    if (this.#stopping.signal.aborted) throw stopped();
    logger.info({ worker: this.name, partitionCount: options.partitions }, 'worker ready');
  }

  #startWriters(): void {
    const options = this.#options;
    const { metrics } = this;
    const { signal } = this.#abandoning;
    const streak = new RefusalStreak();
    const versionAhead = new VersionAhead({ ...options, metrics, logger: this.#logger });
    const writers = Array.from({ length: options.writers }, () => {
      const session = this.#store.openWriteSession();
      this.#sessions.push(session);
      return runWriter({
        backlog: this.#backlog,
        session,
        notes: this.#notes,
        streak,
        caution: new Caution(),
        versionAhead,
        retry: new WriteRetry({
          ...options,
          signal,
          onFailure: (error, delayMs) => this.#reportStoreError(error, delayMs),
          onSuccess: () => this.#reportStoreSuccess(),
        }),
        reader: new ObjectReader(options.replyBytesMax),
        settle: this.#settle,
        metrics,
        logger: this.#logger,
        decoding: this.#decoding,
        batchCommandsMax: options.batchCommandsMax,
        onFrameDone: (frame) => this.#subscriptions.done(frame),
        onBug: (error) => this.#fail(error),
      });
    });
    this.#writers = Promise.all(writers);
  }

  /** Resolves when every queue is subscribed to. */
  async #subscribe(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#onSubscribed = resolve;
      this.#stopping.signal.addEventListener('abort', () => resolve(), { once: true });
      this.#subscriptions.start();
    });
  }

  async #stop(): Promise<boolean> {
    this.#stopping.abort();
    await this.#starting?.catch(() => undefined);
    return await drain(
      {
        reportNotReady: () => this.health.fail('consuming', 'the worker is stopping'),
        endBacklog: () => {
          this.#subscriptions.leave();
          this.#backlog.end();
        },
        finishWork: async () => {
          await Promise.all([
            this.#writers.then(() => this.#notes.close()),
            this.#responder.end(),
            this.#mover.end(),
            this.#retention.stop(),
          ]);
        },
        abandonWork: async () => {
          this.#abandoning.abort();
          await Promise.all([
            this.#responder.abandon(),
            this.#mover.abandon(),
            this.#retention.abandon(),
            // What waits for a confirm learns that there will be none.
            this.#confirming.close(),
            ...this.#sessions.map((session) => session.close()),
          ]);
        },
        closeConsumers: async () => {
          await Promise.all([this.#subscriptions.close(), this.#mover.close()]);
        },
        closePublishers: async () => {
          await this.#confirming.close();
        },
        closeConnections: async () => {
          await Promise.all([this.#consuming.close(), this.#publishing.close()]);
        },
        closeHttpServer: async () => this.#httpServer?.close(),
      },
      this.#options.drainTimeoutMs,
    );
  }

  #connection(purpose: string): BrokerConnection {
    const connection = new BrokerConnection({
      ...this.#options,
      connectionName: `holdfast worker ${this.name} (${purpose})`,
    });
    const failures = new RepeatedLine((fields) => this.#logger.warn(fields, 'not connected to RabbitMQ'));
    connection.on('connected', () => {
      failures.reset();
      this.#logger.info({ stage: purpose }, 'connected to RabbitMQ');
      this.#reportBroker();
    });
    connection.on('disconnected', (error) => {
      failures.log({ err: error, stage: purpose });
      this.#reportBroker();
    });
    connection.on('blocked', (reason) => {
      this.#logger.warn({ reason, stage: purpose }, 'RabbitMQ takes no messages');
    });
    return connection;
  }

  #settleContext(): SettleContext {
    const { metrics, name: workerName } = this;
    const blocked = new RepeatedLine((fields) => this.#logger.error(fields, 'dead letters are held up'));
    return {
      metrics,
      workerName,
      letters: new DeadLetterPublisher({
        ...this.#options,
        publisher: this.#confirming,
        exchange: this.#names.deadLetters,
        metrics,
        signal: this.#abandoning.signal,
        onBlocked: (reason) => {
          blocked.log({ reason });
          this.health.fail('broker', reason);
        },
        onUnblocked: () => {
          blocked.reset();
          this.#reportBroker();
        },
      }),
      replies: new ReplySender({
        ...this.#options,
        signal: this.#abandoning.signal,
        confirming: this.#confirming,
        repliesPrefix: this.#names.repliesPrefix,
        workerName,
        metrics,
      }),
    };
  }

  #reportBroker(): void {
    const connected = this.#consuming.model !== undefined && this.#publishing.model !== undefined;
    this.metrics.brokerConnected.set(connected);
    const error = this.#consuming.lastError ?? this.#publishing.lastError;
    if (connected) this.health.pass('broker');
    else this.health.fail('broker', error?.message ?? 'not connected yet');
  }

  #reportConsuming(): void {
    if (this.#stopping.signal.aborted) return;
    const { missing, count } = this.#subscriptions;
    const [first] = missing;
    if (first === undefined) {
      this.health.pass('consuming');
      this.#onSubscribed();
    } else {
      this.health.fail('consuming', `${missing.length} of ${count} queues, ${first.queue}: ${first.reason}`);
    }
  }

  #reportStoreError(error: StoreError, delayMs: number): void {
    const { failure, sqlstate } = error;
    if (failure === 'transient' || failure === 'systemic') this.metrics.writeRetries[failure].inc();
    this.#storeFailures.log({ err: error, sqlstate, delayMs });
    if (failure !== 'systemic') return;
    this.#storeFailed = true;
    this.metrics.storeAvailable.set(false);
    this.health.fail('store', error.message);
  }

  #reportHeldUpLetters(error: StoreError, reason: string): void {
    this.#heldUpLetters.log({ err: error });
    this.health.fail('letters', reason);
  }

  #reportStoreSuccess(): void {
    if (!this.#storeFailed) return;
    this.#storeFailed = false;
    this.#storeFailures.reset();
    this.metrics.storeAvailable.set(true);
    this.health.pass('store');
    this.#logger.info({}, 'the database can be used again');
  }

  #fail(error: unknown): void {
    this.#logger.fatal({ err: error }, 'the worker cannot go on');
    this.health.declareFatal(error instanceof Error ? error.message : String(error));
    this.#given.onFatal?.(error);
  }
}

function stopped(): StoppedError {
  return new StoppedError('the worker was stopped before it was ready');
}
