/** What was delivered and is neither settled nor given up: how much, and how old. */
import type { WorkFrame } from './work-frame.ts';

export class InFlight {
  /** In the order of arrival. */
  readonly #frames = new Set<WorkFrame>();

  /** How long ago the oldest frame arrived that is not done with, in milliseconds; 0 if there is none. */
  get oldestAgeMs(): number {
    for (const { delivery } of this.#frames) return performance.now() - delivery.receivedAt;
    return 0;
  }

  add(frame: WorkFrame): void {
    this.#frames.add(frame);
  }

  /** The frame is settled, or has returned to its queue. Safe twice. */
  remove(frame: WorkFrame): void {
    this.#frames.delete(frame);
  }
}
