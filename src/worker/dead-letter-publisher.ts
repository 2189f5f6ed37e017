/**
 * Hands dead letters to the broker and does not give up: the original is acked only behind the confirm of its letter,
 * so a letter that cannot be published holds up its frame, never loses it.
 */
import { backoffMs, pause } from '../broker/backoff.ts';
import type { ConfirmingPublisher } from '../broker/confirming-publisher.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { DeadLetter } from './dead-letter.ts';
import { StoppedError } from './write-retry.ts';

export interface DeadLetterPublisherOptions {
  readonly publisher: ConfirmingPublisher;
  readonly exchange: string;
  readonly metrics: Metrics;
  readonly retryDelayMsMin: number;
  readonly retryDelayMsMax: number;
  /** Aborts when the drain deadline has passed. */
  readonly signal: AbortSignal;
  /** Told when letters cannot be published, and when they can again. */
  readonly onBlocked: (reason: string) => void;
  readonly onUnblocked: () => void;
}

export class DeadLetterPublisher {
  readonly #options: DeadLetterPublisherOptions;
  /** Frames whose letters are held up. */
  #heldUp = 0;

  constructor(options: DeadLetterPublisherOptions) {
    this.#options = options;
  }

  /**
   * Resolves when all letters are confirmed; at once if there are none.
   *
   * @param wanted asked before each further attempt: if the frame has returned to its queue meanwhile, its next delivery
   *   makes the same letters, with the same ids.
   * @returns whether they were published.
   * @throws StoppedError if the worker stops first.
   */
  async publish(letters: readonly DeadLetter[], wanted: () => boolean): Promise<boolean> {
    if (letters.length === 0) return true;
    const first = await this.#attempt(letters);
    if (first.length === 0) return true;
    this.#heldUp += 1;
    try {
      return await this.#persist(first, wanted);
    } finally {
      this.#heldUp -= 1;
      if (this.#heldUp === 0) this.#options.onUnblocked();
    }
  }

  async #persist(letters: readonly DeadLetter[], wanted: () => boolean): Promise<boolean> {
    const { retryDelayMsMin, retryDelayMsMax, signal } = this.#options;
    let left = letters;
    for (let retry = 0; left.length > 0; retry += 1) {
      await pause(backoffMs(retry, retryDelayMsMin, retryDelayMsMax), signal);
      if (!wanted()) return false;
      if (signal.aborted)
        throw new StoppedError('the worker was stopped before the dead letters were confirmed');
      left = await this.#attempt(left);
    }
    return true;
  }

  /** Returns the letters that were not confirmed. */
  async #attempt(letters: readonly DeadLetter[]): Promise<DeadLetter[]> {
    const { publisher, exchange, metrics } = this.#options;
    const results = await Promise.all(
      letters.map(async ({ body, properties }) => {
        try {
          return await publisher.publish(exchange, '', body, properties);
        } catch {
          // No open channel, so nothing was sent.
          return 'unknown';
        }
      }),
    );
    const left: DeadLetter[] = [];
    for (const [index, letter] of letters.entries()) {
      if (results[index] === 'confirmed') metrics.deadLetters[letter.code].inc();
      else left.push(letter);
    }
    const failed = results.find((result) => result !== 'confirmed');
    if (failed !== undefined) {
      this.#options.onBlocked(`dead letters cannot be published: ${REASONS[failed]}`);
    }
    return left;
  }
}

const REASONS = {
  confirmed: '',
  returned: 'no queue is bound to their exchange; run holdfast topology',
  refused: 'their queue is full',
  unknown: 'the channel to RabbitMQ is not open',
};
