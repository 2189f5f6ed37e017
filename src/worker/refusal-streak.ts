/**
 * Tells a constraint that nothing can meet from rows that do not meet it.
 *
 * When somebody adds a CHECK or a trigger that refuses everything, each row fails as a bad row does. Twenty in a row by
 * one constraint, with nothing written between, are taken for that: they are kept and tried again. As soon as anything
 * else is written, by any writer, it is proved that not everything is refused.
 */
import type { RowsRefusedError } from '../store/store.ts';

/** One more would be a coincidence; twenty letters are read in a minute. */
const REFUSALS_MAX = 20;

export class RefusalStreak {
  #constraint = '';
  #refusals = 0;
  #writes = 0;

  /** Counts the transactions that wrote something. A batch that waits compares it with what it was. */
  get writes(): number {
    return this.#writes;
  }

  /** Rows were written. */
  written(): void {
    this.#refusals = 0;
    this.#writes += 1;
  }

  /** Whether to take a refusal for a failure of the whole system; it is then not counted, and may be asked again. */
  isSystemic({ refused, acceptedCount }: RowsRefusedError): boolean {
    const constraints = new Set(refused.map(({ error }) => `${error.sqlstate}/${error.constraint ?? ''}`));
    const [constraint = ''] = constraints;
    if (acceptedCount > 0 || constraints.size > 1) {
      this.#refusals = 0;
      return false;
    }
    const before = constraint === this.#constraint ? this.#refusals : 0;
    if (before + refused.length >= REFUSALS_MAX) return true;
    this.#constraint = constraint;
    this.#refusals = before + refused.length;
    return false;
  }
}
