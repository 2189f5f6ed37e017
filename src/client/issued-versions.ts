/**
 * Which versions this client wrote of the objects whose saves are awaited, so that a `superseded` can be told apart: by
 * a newer write of this client, which is well, or by somebody else's, which is a conflict.
 *
 * Only versions written from the oldest awaited write on can have superseded it. An object without one is not kept, unless
 * it is not known what became of its last: that one may be repeated, and then be superseded by what was written since.
 */

/** Most versions kept one by one of one object: 8 KiB. Older ones are then remembered as a range. */
const VERSIONS_MAX = 1_024;

/** Most objects kept of whose last awaited write nobody knows what became: 8 MiB at worst, 200 KiB mostly. */
const UNCERTAIN_OBJECTS_MAX = 1_024;

interface Tracked {
  awaited: number;
  versions: number[];
  /**
   * Versions forgotten one by one. A foreign version between two of them is taken for our own; our newer one has
   * overtaken it by then, or will.
   */
  rangeMin: number;
  rangeMax: number;
}

export class IssuedVersions {
  readonly #tracked = new Map<string, Tracked>();
  /** Objects kept without an awaited write, the longest kept first. */
  readonly #uncertain = new Set<string>();

  /** Notes a write. With `awaited`, the object is kept until `forget` was called as often. */
  note(id: string, version: number, awaited: boolean): void {
    let tracked = this.#tracked.get(id);
    if (tracked === undefined) {
      if (!awaited) return;
      tracked = { awaited: 0, versions: [], rangeMin: Infinity, rangeMax: -Infinity };
      this.#tracked.set(id, tracked);
    }
    if (awaited) tracked.awaited += 1;
    tracked.versions.push(version);
    if (tracked.versions.length <= VERSIONS_MAX) return;
    for (const old of tracked.versions.splice(0, VERSIONS_MAX / 2)) {
      tracked.rangeMin = Math.min(tracked.rangeMin, old);
      tracked.rangeMax = Math.max(tracked.rangeMax, old);
    }
  }

  /** An awaited write is settled. @param uncertain it may have been applied, or yet be. */
  forget(id: string, uncertain = false): void {
    const tracked = this.#tracked.get(id);
    if (tracked === undefined) return;
    tracked.awaited -= 1;
    if (uncertain) this.#keep(id);
    else if (tracked.awaited === 0 && !this.#uncertain.has(id)) this.#tracked.delete(id);
  }

  has(id: string, version: number): boolean {
    const tracked = this.#tracked.get(id);
    if (tracked === undefined) return false;
    const inRange = version >= tracked.rangeMin && version <= tracked.rangeMax;
    return inRange || tracked.versions.includes(version);
  }

  #keep(id: string): void {
    this.#uncertain.delete(id);
    this.#uncertain.add(id);
    if (this.#uncertain.size <= UNCERTAIN_OBJECTS_MAX) return;
    const [longest] = this.#uncertain;
    if (longest !== undefined) this.#drop(longest);
  }

  /** Forgets an object without an awaited write. */
  #drop(id: string): void {
    this.#uncertain.delete(id);
    if (this.#tracked.get(id)?.awaited === 0) this.#tracked.delete(id);
  }

  /** Objects kept, for tests. */
  get size(): number {
    return this.#tracked.size;
  }
}
