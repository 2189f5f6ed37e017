/** Forgets what is older than the retention: tombstones, the ids of claims, closed dead letters. Every worker does its share. */
import { PURGED_KINDS, type PurgedKind, type ReadSession, type Store } from '../store/store.ts';
import { storeErrorOf } from '../store/store-error.ts';
import type { Logger } from '../telemetry/logger.ts';

export interface RetentionOptions {
  readonly store: Store;
  readonly retentionMs: number;
  readonly logger: Logger;
  readonly onBug: (error: unknown) => void;
}

/** How often. The retention is days, so a few minutes more or less do not matter. */
const PURGE_INTERVAL_MS = 10 * 60_000;
/** Rows forgotten in one transaction: tens of milliseconds, so that nobody waits for it. */
const PURGE_ROWS = 1_000;
/** Transactions of each kind in one go: with the interval it keeps up with 160 deletes a second, for each worker. */
const PURGES_MAX = 100;

export class Retention {
  readonly #options: RetentionOptions;
  #session: ReadSession | undefined;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(options: RetentionOptions) {
    this.#options = options;
  }

  /** Begins at a random moment, so that workers started together do not purge together. */
  start(): void {
    this.#schedule(Math.random() * PURGE_INTERVAL_MS);
  }

  /** Forgets what is due now; one kind that the store refuses does not keep the others. @throws only a fault of ours */
  async purge(): Promise<void> {
    const { logger } = this.#options;
    for (const kind of PURGED_KINDS) {
      try {
        const rows = await this.#purge(kind);
        if (rows > 0) logger.info({ kind, rows }, 'forgot what is older than the retention');
      } catch (error) {
        logger.warn({ kind, err: storeErrorOf(error) }, 'could not forget what is older than the retention');
      }
    }
  }

  async #purge(kind: PurgedKind): Promise<number> {
    this.#session ??= this.#options.store.openReadSession();
    let rows = 0;
    let from: string | undefined;
    for (let i = 0; i < PURGES_MAX && !this.#stopped; i += 1) {
      const purged = await this.#session.purge(kind, this.#options.retentionMs, PURGE_ROWS, from);
      rows += purged.rows;
      from = purged.reached;
      if (purged.rows === 0) break;
    }
    return rows;
  }

  /** Safe twice, and before start. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running;
    await this.#session?.close();
  }

  /** Cuts the database connection, so that nothing under way lasts any longer. */
  async abandon(): Promise<void> {
    await this.#session?.close();
  }

  #schedule(delayMs: number): void {
    this.#timer = setTimeout(() => {
      this.#running = this.#run();
    }, delayMs);
  }

  async #run(): Promise<void> {
    try {
      await this.purge();
    } catch (error) {
      this.#options.onBug(error);
      return;
    }
    if (!this.#stopped) this.#schedule(PURGE_INTERVAL_MS);
  }
}
