/**
 * Which workers there are, as far as they were heard. Every worker says every 10 s that it is here, when it has
 * subscribed, and when it leaves; one that was not heard for three of these is gone.
 */
import type { Announcement } from './announcement.ts';

/** How often a worker announces itself. */
export const ANNOUNCE_INTERVAL_MS = 10_000;
/** Two announcements may be missed; a third is not bad luck. */
const GONE_AFTER_MS = 3 * ANNOUNCE_INTERVAL_MS + 1_000;
/** Most workers remembered: more than 64 partitions can feed. Beyond it new ones are ignored. */
const WORKERS_MAX = 1_024;

export class Membership {
  readonly #self: string;
  readonly #nowMs: () => number;
  readonly #heardAtMs = new Map<string, number>();

  /** @param self is always a member. */
  constructor(self: string, nowMs: () => number = () => performance.now()) {
    this.#self = self;
    this.#nowMs = nowMs;
  }

  /** Takes an announcement in; returns whether the members are others than before. */
  hear({ worker, state }: Announcement): boolean {
    if (worker === this.#self || state === 'asking') return false;
    if (state === 'leaving') return this.#heardAtMs.delete(worker);
    if (!this.#heardAtMs.has(worker) && this.#heardAtMs.size >= WORKERS_MAX) return false;
    const isNew = !this.#heardAtMs.has(worker);
    this.#heardAtMs.set(worker, this.#nowMs());
    return isNew;
  }

  /** Forgets those that were not heard for too long; returns whether there were any. */
  expire(): boolean {
    const gone = [...this.#heardAtMs].filter(([, heardAtMs]) => this.#nowMs() - heardAtMs > GONE_AFTER_MS);
    for (const [worker] of gone) this.#heardAtMs.delete(worker);
    return gone.length > 0;
  }

  /** All members, this one included. */
  get workers(): string[] {
    return [this.#self, ...this.#heardAtMs.keys()];
  }
}
