/**
 * Versions that rise with time, as the library's own do, but of which no two processes ever choose the same: so a
 * version tells which command it was.
 */
import { nowUs } from '../workload/clock.ts';

const PROCESSES_MAX = 8;

export class VersionSource {
  readonly #process: number;
  readonly #startedAtUs: number;
  readonly #last = new Map<number, number>();

  constructor(process: number, startedAtUs: number) {
    this.#process = process;
    this.#startedAtUs = startedAtUs;
  }

  /** Above every version that this process chose or saw of the object. */
  next(object: number): number {
    const time = Math.max(1, nowUs() - this.#startedAtUs);
    const floor = Math.floor((this.#last.get(object) ?? 0) / PROCESSES_MAX) + 1;
    const version = Math.max(time, floor) * PROCESSES_MAX + this.#process;
    this.#last.set(object, version);
    return version;
  }

  saw(object: number, version: number): void {
    if (version > (this.#last.get(object) ?? 0)) this.#last.set(object, version);
  }
}
