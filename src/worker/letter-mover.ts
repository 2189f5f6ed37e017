/**
 * Moves dead letters from their queue into their table: what waits goes in by one statement, commits, and is then acked.
 * Every worker does it; the order of letters does not matter, and a letter that comes twice is put in once.
 *
 * While the database is away letters stay unacked here and wait in the queue. Nothing is ever given back on purpose.
 * A letter that the table refuses, even bare, is tried again by and by, and the others go past it.
 */
import { backoffMs, pause } from '../broker/backoff.ts';
import type { BrokerConnection } from '../broker/broker-connection.ts';
import { type Delivery, QueueConsumer } from '../broker/queue-consumer.ts';
import type { Names } from '../contract/names.ts';
import type { LetterRow, LetterSession } from '../store/letter-row.ts';
import { type StoreError, storeErrorOf } from '../store/store-error.ts';
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
  /** Told at each attempt when letters cannot be put into their table, and when they can again. */
  readonly onHeldUp: (error: StoreError, reason: string) => void;
  readonly onMoved: () => void;
  readonly onBug: (error: unknown) => void;
}

/**
 * Held at once, of whatever size, so it is as few as still move fast. Measured on two shared cores with RabbitMQ 3.10 and
 * PostgreSQL 15, letters of 0.5 kB: 8 move 4,000 a second, 16 5,900, 32 9,400, 100 14,000.
 *
 * Worst case: a frame of the contract is at most 1 MiB unless it is one command, so 8 MiB. A message that a stranger
 * publishes is at most 16 MiB with RabbitMQ 4 (128 MiB before): 8 x 16 = 128 MiB, and the one that is put in twice more,
 * as parameter and as message to the server: 160 MiB (1,280 MiB before 4, unless max_message_size says less).
 */
const PREFETCH_LETTERS = 8;
/** Put in by one statement; a single larger letter goes alone. */
const BATCH_BYTES_MAX = 8 * 1_048_576;
/** From so many refused letters on, half of what is held at once, somebody has to look: at the double nothing moves. */
const REFUSED_MAX = PREFETCH_LETTERS / 2;
/** A lock, a deadlock or a statement that took too long is over by then, or somebody should look. */
const HELD_UP_AFTER_MS = 5_000;

interface Waiting {
  readonly delivery: Delivery;
  readonly row: LetterRow;
  /** How often the table has refused it, also bare. */
  readonly refusals: number;
}

interface Refused extends Waiting {
  readonly dueAt: number;
}

export class LetterMover {
  readonly #options: LetterMoverOptions;
  readonly #consumer: QueueConsumer;
  readonly #session: LetterSession;
  /** Delivered, and not yet being put in. */
  #waiting: Waiting[] = [];
  /** Refused by the table; together with what waits never more than the prefetch. */
  #refused: Refused[] = [];
  /** Attempts in a row that failed for the database's sake, and when the first of them did. */
  #failures = 0;
  #failingSince = 0;
  /** Whether somebody was told so. */
  #heldUp = false;
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
      ackEach: true,
      onDelivery: (delivery) => this.#add(delivery),
      onLost: (error) => {
        options.logger.debug({ err: error }, 'not subscribed to the dead letters');
        this.#wake?.();
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
    const row = readLetter(delivery, this.#options.names.commandsExchange);
    this.#waiting.push({ delivery, row, refusals: 0 });
    // What is delivered in one read goes in together.
    setImmediate(() => this.#wake?.());
  }

  async #run(): Promise<void> {
    try {
      while (!this.#ending.signal.aborted) {
        await this.#forgetReturned();
        const due = this.#takeDue();
        if (due.length > 0) await this.#moveOneByOne(due);
        // Held up by letters that have returned to the queue: nothing at all shows as well whether the table takes any.
        else if (this.#waiting.length > 0 || (this.#heldUp && !this.#tooManyRefused)) {
          await this.#move(this.#take());
        } else await this.#untilWoken();
      }
    } catch (error) {
      this.#options.onBug(error);
    }
  }

  /** n.b. RabbitMQ closes a channel whose deliveries wait too long for their ack; we are earlier, and the wait goes on. */
  async #forgetReturned(): Promise<void> {
    this.#forgetDead();
    const oldest = Math.min(
      ...[...this.#waiting, ...this.#refused].map(({ delivery }) => delivery.receivedAt),
    );
    if (!(performance.now() - oldest > this.#options.consumerTimeoutMs / 2)) return;
    await this.#consumer.reopen();
    this.#forgetDead();
  }

  #forgetDead(): void {
    this.#waiting = this.#waiting.filter(isLive);
    this.#refused = this.#refused.filter(isLive);
  }

  #takeDue(): Refused[] {
    const now = performance.now();
    const due = this.#refused.filter(({ dueAt }) => dueAt <= now);
    this.#refused = this.#refused.filter(({ dueAt }) => dueAt > now);
    return due;
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

  /** Until a letter comes, or a refused one is due. */
  async #untilWoken(): Promise<void> {
    await new Promise<void>((resolve) => {
      const dueAt = Math.min(...this.#refused.map((each) => each.dueAt));
      const timer = Number.isFinite(dueAt)
        ? setTimeout(resolve, Math.max(1, dueAt - performance.now()))
        : undefined;
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = undefined;
  }

  /** Tries once to put letters in, or nothing at all. */
  async #move(batch: readonly Waiting[]): Promise<void> {
    try {
      await this.#session.insertLetters(batch.map(({ row }) => row));
    } catch (error) {
      const storeError = storeErrorOf(error);
      this.#options.metrics.letterMoveFailures.inc();
      if (storeError.failure === 'row' && batch.length > 0) await this.#moveOneByOne(batch);
      else await this.#failed(storeError, batch);
      return;
    }
    this.#settle(batch);
    this.#sayMoved();
  }

  /** What is refused then is set aside. */
  async #moveOneByOne(batch: readonly Waiting[]): Promise<void> {
    let moved = false;
    for (const [index, waiting] of batch.entries()) {
      try {
        await this.#insertWholeOrBare(waiting.row);
        this.#settle([waiting]);
        moved = true;
      } catch (error) {
        const storeError = storeErrorOf(error);
        this.#options.metrics.letterMoveFailures.inc();
        if (storeError.failure !== 'row') {
          await this.#failed(storeError, batch.slice(index));
          return;
        }
        this.#refuse(waiting, storeError);
      }
    }
    if (moved) this.#sayMoved();
  }

  /** What is refused for its fields is put in without them: the bytes are what must not be lost. */
  async #insertWholeOrBare(row: LetterRow): Promise<void> {
    try {
      await this.#session.insertLetters([row]);
    } catch (error) {
      const storeError = storeErrorOf(error);
      if (storeError.failure !== 'row') throw storeError;
      await this.#session.insertLetters([bareLetter(row)]);
      this.#options.logger.warn(
        { err: storeError, letterId: row.letterId },
        'a dead letter is stored without its headers, which its table refuses',
      );
    }
  }

  #settle(moved: readonly Waiting[]): void {
    for (const { delivery } of moved) delivery.settle();
    this.#options.metrics.lettersMoved.inc(moved.length);
    this.#failures = 0;
  }

  /** Told when a batch is done with: in between, those that are being tried again are not among the refused. */
  #sayMoved(): void {
    if (this.#tooManyRefused) return;
    this.#heldUp = false;
    this.#options.onMoved();
  }

  get #tooManyRefused(): boolean {
    return this.#refused.length >= REFUSED_MAX;
  }

  #refuse(waiting: Waiting, error: StoreError): void {
    const { logger, retryDelayMsMin, retryDelayMsMax, onHeldUp } = this.#options;
    const { row, refusals } = waiting;
    this.#failures = 0;
    if (refusals === 0) {
      logger.error({ err: error, letterId: row.letterId }, 'the table of dead letters refuses a letter');
    }
    const dueAt = performance.now() + backoffMs(refusals, retryDelayMsMin, retryDelayMsMax);
    this.#refused.push({ ...waiting, refusals: refusals + 1, dueAt });
    if (!this.#tooManyRefused) return;
    this.#heldUp = true;
    onHeldUp(
      error,
      `${this.#refused.length} letters are refused by their table, one of them: ${error.message}`,
    );
  }

  /** The database does not take them now; they are tried again, with what has come meanwhile. */
  async #failed(error: StoreError, batch: readonly Waiting[]): Promise<void> {
    const { retryDelayMsMin, retryDelayMsMax, onHeldUp } = this.#options;
    this.#waiting.unshift(...batch);
    if (this.#failures === 0) this.#failingSince = performance.now();
    const passing = error.failure === 'transient' || error.failure === 'contended';
    if (!passing || performance.now() - this.#failingSince > HELD_UP_AFTER_MS) {
      this.#heldUp = true;
      onHeldUp(error, error.message);
    }
    await pause(backoffMs(this.#failures, retryDelayMsMin, retryDelayMsMax), this.#ending.signal);
    this.#failures += 1;
  }
}

function isLive({ delivery }: Waiting): boolean {
  return delivery.live();
}
