/**
 * Moves dead letters from their queue into their table: what waits goes in by one statement, commits, and is then acked.
 * Every worker does it; the order of letters does not matter, and a letter that comes twice is put in once.
 *
 * While the database is away letters stay unacked here and wait in the queue. Nothing is ever given back on purpose.
 */
import { backoffMs, pause } from '../broker/backoff.ts';
import type { BrokerConnection } from '../broker/broker-connection.ts';
import { type Delivery, QueueConsumer } from '../broker/queue-consumer.ts';
import type { Names } from '../contract/names.ts';
import type { LetterRow, LetterSession } from '../store/letter-row.ts';
import { type StoreError, toStoreError } from '../store/store-error.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { bareLetter, readLetter } from './read-letter.ts';

export interface LetterMoverOptions {
  readonly openSession: () => LetterSession;
  readonly names: Names;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly retryDelayMsMin: number;
  readonly retryDelayMsMax: number;
  readonly consumerTimeoutMs: number;
  /** Aborts when the drain deadline has passed. */
  readonly signal: AbortSignal;
  /** Told when letters cannot be put into their table, and when they can again. */
  readonly onHeldUp: (error: StoreError) => void;
  readonly onMoved: () => void;
  readonly onBug: (error: unknown) => void;
}

/** Held at once: 100 frames of the largest size of a frame, 1 MiB, are 100 MiB; a letter of one command has some hundred bytes. */
const PREFETCH_LETTERS = 100;
/** Put in by one statement; a single larger letter goes alone. */
const BATCH_BYTES_MAX = 8 * 1_048_576;

interface Waiting {
  readonly delivery: Delivery;
  readonly row: LetterRow;
}

export class LetterMover {
  readonly #options: LetterMoverOptions;
  readonly #consumer: QueueConsumer;
  readonly #session: LetterSession;
  /** Delivered, and not yet being put in. */
  #waiting: Waiting[] = [];
  #wake: (() => void) | undefined;
  readonly #ending = new AbortController();
  #running: Promise<void> | undefined;

  constructor(connection: BrokerConnection, options: LetterMoverOptions) {
    this.#options = options;
    this.#session = options.openSession();
    this.#consumer = new QueueConsumer(connection, {
      ...options,
      queue: options.names.deadLetters,
      prefetchCount: () => PREFETCH_LETTERS,
      onDelivery: (delivery) => this.#add(delivery),
      onLost: (error) => {
        this.#waiting = this.#waiting.filter(({ delivery }) => delivery.live());
        options.logger.debug({ err: error }, 'not subscribed to the dead letters');
      },
    });
    // Whoever waits for the next attempt does not do so beyond the deadline.
    options.signal.addEventListener('abort', () => this.#ending.abort(), { once: true });
  }

  start(): void {
    if (this.#running !== undefined) return;
    this.#running = this.#run();
    this.#consumer.start();
  }

  /** Finishes what is being put in; the rest stays in the queue. Safe twice, and before start. */
  async end(): Promise<void> {
    this.#ending.abort();
    this.#wake?.();
    await this.#running;
    await this.#session.close();
  }

  /** Cuts the database connection, so that nothing under way lasts any longer. */
  async abandon(): Promise<void> {
    await this.#session.close();
  }

  /** Acks what was moved; the rest returns to the queue. Safe twice, and before start. */
  async close(): Promise<void> {
    await this.#consumer.close();
  }

  #add(delivery: Delivery): void {
    if (this.#ending.signal.aborted) return;
    this.#waiting.push({ delivery, row: readLetter(delivery, this.#options.names.commandsExchange) });
    // What is delivered in one read goes in together.
    setImmediate(() => this.#wake?.());
  }

  async #run(): Promise<void> {
    try {
      while (!this.#ending.signal.aborted) {
        if (this.#waiting.length === 0) {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
          this.#wake = undefined;
        } else {
          await this.#move(this.#take());
        }
      }
    } catch (error) {
      this.#options.onBug(error);
    }
  }

  #take(): Waiting[] {
    let bytes = 0;
    let count = 0;
    for (const { row } of this.#waiting) {
      bytes += row.body.length;
      if (count > 0 && bytes > BATCH_BYTES_MAX) break;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  /** Puts letters in, whatever it takes; gives up only those that have returned to the queue, or when it ends. */
  async #move(batch: readonly Waiting[]): Promise<void> {
    const { metrics, onMoved, onHeldUp } = this.#options;
    let left = batch;
    for (let retry = 0; left.length > 0; retry += 1) {
      try {
        await this.#session.insertLetters(left.map(({ row }) => row));
        this.#settle(left);
        onMoved();
        return;
      } catch (error) {
        let storeError = toStoreError(error);
        metrics.letterMoveFailures.inc();
        if (storeError.failure === 'row') {
          const { refused, reason } = await this.#moveOneByOne(left);
          left = refused;
          if (reason === undefined) continue;
          storeError = reason;
        }
        if (storeError.failure === 'systemic' || storeError.failure === 'row') onHeldUp(storeError);
        await this.#waitBefore(retry, left);
        if (this.#ending.signal.aborted) return;
        left = left.filter(({ delivery }) => delivery.live());
      }
    }
  }

  /** Returns the letters that could not be put in, and why not. */
  async #moveOneByOne(batch: readonly Waiting[]): Promise<{ refused: Waiting[]; reason?: StoreError }> {
    const { logger, metrics } = this.#options;
    const refused: Waiting[] = [];
    let reason: StoreError | undefined;
    for (const [index, waiting] of batch.entries()) {
      const { row } = waiting;
      try {
        await this.#insertWholeOrBare(row);
        this.#settle([waiting]);
      } catch (error) {
        reason = toStoreError(error);
        if (reason.failure !== 'row') return { refused: [...refused, ...batch.slice(index)], reason };
        metrics.letterMoveFailures.inc();
        logger.error({ err: reason, letterId: row.letterId }, 'the table of dead letters refuses a letter');
        refused.push(waiting);
      }
    }
    return reason === undefined ? { refused } : { refused, reason };
  }

  /** What is refused for its fields is put in without them: the bytes are what must not be lost. */
  async #insertWholeOrBare(row: LetterRow): Promise<void> {
    try {
      await this.#session.insertLetters([row]);
    } catch (error) {
      const storeError = toStoreError(error);
      if (storeError.failure !== 'row') throw storeError;
      this.#options.logger.warn(
        { err: storeError, letterId: row.letterId },
        'a dead letter is stored without its headers, which its table refuses',
      );
      await this.#session.insertLetters([bareLetter(row)]);
    }
  }

  #settle(moved: readonly Waiting[]): void {
    for (const { delivery } of moved) delivery.settle();
    this.#options.metrics.lettersMoved.inc(moved.length);
  }

  /** n.b. RabbitMQ closes a channel whose deliveries wait too long for their ack; we are earlier, and the wait goes on. */
  async #waitBefore(retry: number, left: readonly Waiting[]): Promise<void> {
    const { retryDelayMsMin, retryDelayMsMax, consumerTimeoutMs } = this.#options;
    const oldest = Math.min(...left.map(({ delivery }) => delivery.receivedAt));
    if (performance.now() - oldest > consumerTimeoutMs / 2) await this.#consumer.reopen();
    await pause(backoffMs(retry, retryDelayMsMin, retryDelayMsMax), this.#ending.signal);
  }
}
