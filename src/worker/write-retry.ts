/**
 * When a batch that could not be written is tried again, and what the world is told meanwhile.
 *
 * The batch itself is the probe: it stays in memory, its deliveries unacked, its channels open, so no message loses a
 * life and nothing is dead-lettered while the database is away.
 */
import { backoffMs, pause } from '../broker/backoff.ts';
import type { StoreError } from '../store/store-error.ts';

/** The worker stops, and what could not be written returns to its queue. */
export class StoppedError extends Error {
  override readonly name = 'StoppedError';
}

export interface WriteRetryOptions {
  readonly retryDelayMsMin: number;
  readonly retryDelayMsMax: number;
  /** Aborts when the drain deadline has passed. */
  readonly signal: AbortSignal;
  readonly onFailure: (error: StoreError, delayMs: number) => void;
  readonly onSuccess: () => void;
}

export class WriteRetry {
  readonly #options: WriteRetryOptions;
  #retries = 0;
  #onWait: () => void = () => {};

  constructor(options: WriteRetryOptions) {
    this.#options = options;
  }

  /** A new batch is begun. @param onWait told each time that it has to wait. */
  begin(onWait: () => void): void {
    this.#onWait = onWait;
  }

  succeeded(): void {
    this.#retries = 0;
    this.#options.onSuccess();
  }

  /** Waits before the next attempt. @throws StoppedError if there will be none. */
  async failed(error: StoreError): Promise<void> {
    const { retryDelayMsMin, retryDelayMsMax, signal, onFailure } = this.#options;
    const delayMs = backoffMs(this.#retries, retryDelayMsMin, retryDelayMsMax);
    this.#retries += 1;
    onFailure(error, delayMs);
    this.#onWait();
    await pause(delayMs, signal);
    if (signal.aborted) throw new StoppedError('the worker was stopped before the batch could be written');
  }
}
