/**
 * Knows when everything that was handed over before a moment is settled, at the cost of one addition for each write.
 *
 * Writes are counted by era. A flush ends the current era, and is done once that era and all before it are empty.
 */

export interface Era {
  open: number;
}

/** An era that a flush has ended. */
class EndedEra {
  readonly era: Era;
  readonly done: Promise<void>;
  resolve: () => void = () => undefined;

  constructor(era: Era) {
    this.era = era;
    this.done = new Promise((resolve) => {
      this.resolve = resolve;
    });
  }
}

export class FlushBarrier {
  #current: Era = { open: 0 };
  /** Oldest first. */
  readonly #ended: EndedEra[] = [];

  enter(): Era {
    this.#current.open += 1;
    return this.#current;
  }

  leave(era: Era): void {
    era.open -= 1;
    if (era.open > 0) return;
    for (;;) {
      const [oldest] = this.#ended;
      if (oldest === undefined || oldest.era.open > 0) return;
      this.#ended.shift();
      oldest.resolve();
    }
  }

  /** Resolves when everything that entered before has left. */
  async wait(): Promise<void> {
    if (this.#current.open === 0) {
      await this.#ended.at(-1)?.done;
      return;
    }
    const ended = new EndedEra(this.#current);
    this.#current = { open: 0 };
    this.#ended.push(ended);
    await ended.done;
  }
}
