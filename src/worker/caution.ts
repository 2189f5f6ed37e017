/**
 * Whether a writer begins a batch by trying its rows, as it would after a refusal. Where some rows of every batch are
 * refused, that is one transaction for each instead of two; where none is, it costs about a fifth more than writing them.
 */

/** A publisher of bad rows sends more of them, but not for ever. */
const CAUTIOUS_BATCHES = 8;

export class Caution {
  #batchesLeft = 0;

  /** Whether to try the rows of the next batch. */
  get isolates(): boolean {
    return this.#batchesLeft > 0;
  }

  /** Rows of a batch were refused. */
  refused(): void {
    this.#batchesLeft = CAUTIOUS_BATCHES;
  }

  /** A batch was written, and nothing of it was refused. */
  written(): void {
    this.#batchesLeft = Math.max(0, this.#batchesLeft - 1);
  }
}
