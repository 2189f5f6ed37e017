/**
 * A line of the log that would come many times a second while something is wrong: a worker tries again with each of its
 * connections, and each has its own backoff; a wrong clock shows in every command.
 */
import type { LogFields } from './logger.ts';

/** A person who reads along sees that it goes on, and an hour of it is 360 lines. */
const INTERVAL_MS = 10_000;

export class RepeatedLine {
  readonly #write: (fields: LogFields) => void;
  #writtenAtMs = Number.NEGATIVE_INFINITY;
  #repeats = 0;

  /** @param write logs it. */
  constructor(write: (fields: LogFields) => void) {
    this.#write = write;
  }

  /** Logs the first at once and then one in ten seconds, the latest, with the number of those that were left out. */
  log(fields: LogFields): void {
    const now = performance.now();
    if (now - this.#writtenAtMs < INTERVAL_MS) {
      this.#repeats += 1;
      return;
    }
    this.#writtenAtMs = now;
    this.#write(this.#repeats === 0 ? fields : { ...fields, repeats: this.#repeats });
    this.#repeats = 0;
  }

  /** What it told of is over: the next one is news again. */
  reset(): void {
    this.#writtenAtMs = Number.NEGATIVE_INFINITY;
    this.#repeats = 0;
  }
}
