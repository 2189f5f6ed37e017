/** Lets commands begin no faster than a rate, and no more at a time than a bound. */

export class Pace {
  readonly #pendingMax: number;
  readonly #rateMax: number;
  #pending = 0;
  #due = performance.now();
  #wake: (() => void) | undefined;
  #stopped = false;
  #held = false;

  constructor(pendingMax: number, rateMax: number) {
    this.#pendingMax = pendingMax;
    this.#rateMax = rateMax;
  }

  /** Resolves when `count` commands may begin, or when stopped. */
  async begin(count: number): Promise<void> {
    for (;;) {
      if (this.#stopped) return;
      const waitMs = this.#due - performance.now();
      if (!this.#held && this.#pending < this.#pendingMax && waitMs <= 0) break;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.max(1, Math.min(waitMs, 100)));
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    // What could not begin in time is made up for, but only of the last second.
    this.#due = Math.max(this.#due, performance.now() - 1_000) + (count / this.#rateMax) * 1_000;
    this.#pending += count;
  }

  /** So many of them have ended; those that were never issued must be given back as well. */
  end(count: number): void {
    this.#pending -= count;
    if (this.#pending < this.#pendingMax) this.#wake?.();
  }

  /** While held, nothing more begins. */
  hold(held: boolean): void {
    this.#held = held;
    this.#wake?.();
  }

  stop(): void {
    this.#stopped = true;
    this.#wake?.();
  }
}
