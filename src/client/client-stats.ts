/** The counters of a client, for the metrics of its node. */
import { type ErrorCode, HoldfastError } from '../contract/errors.ts';

export interface ClientStats {
  /** Whether frames can be sent and answered now. */
  readonly connected: boolean;
  /** Why not, as far as it is known; `undefined` while it is connected. */
  readonly lastError: HoldfastError | undefined;
  /** Whether RabbitMQ takes nothing at present. */
  readonly blocked: boolean;

  /** Handed over and not confirmed, within the bounds of the buffer. */
  readonly bufferedItems: number;
  readonly bufferedBytes: number;
  /** Handed over and not answered, of those that want an answer. */
  readonly awaitingItems: number;
  readonly awaitingBytes: number;
  /** Waiting for room in either. */
  readonly waitingItems: number;
  readonly framesInFlight: number;
  /** Objects whose epoch is remembered. */
  readonly claimedObjects: number;

  /** Since the start. */
  readonly confirmedCommands: number;
  readonly confirmedFrames: number;
  readonly resentFrames: number;
  readonly refusedFrames: number;
  /** Failures by code, of calls and of writes that nobody waited for. `ABORTED` counts calls ended by a signal. */
  readonly failures: Readonly<Partial<Record<ErrorCode | 'ABORTED', number>>>;
}

export class FailureCounts {
  readonly #counts = new Map<ErrorCode | 'ABORTED', number>();

  add(code: ErrorCode | 'ABORTED'): void {
    this.#counts.set(code, (this.#counts.get(code) ?? 0) + 1);
  }

  addError(error: unknown): void {
    this.add(error instanceof HoldfastError ? error.code : 'ABORTED');
  }

  counts(): Partial<Record<ErrorCode | 'ABORTED', number>> {
    return Object.fromEntries(this.#counts);
  }
}
