/**
 * The client's source of versions: a hybrid clock in microseconds, per object.
 *
 * next(object) = max(now_us, last issued + 1, version known of this object + 1), so blind writes work, causality
 * survives clock skew between nodes, a version reads as a time, and one object's wild version does not spread.
 */

/**
 * Most objects whose version runs ahead of the clock that are remembered. Beyond it the oldest is forgotten; its next
 * save is then superseded, which the client reports as a conflict, so nothing is lost silently.
 */
const AHEAD_OBJECTS_MAX = 1_000_000;

/** Prune when this many entries were added since the last time: amortised one deletion per insertion. */
const PRUNE_EVERY = 4_096;

export class VersionClock {
  /**
   * Only versions that may still be ahead of the clock: once `now` has passed a version, `max` yields `now` anyway,
   * so the entry carries no information. That keeps the map as small as the writes of the last instant.
   */
  readonly #ahead = new Map<string, number>();
  readonly #nowUs: () => number;
  #sincePrune = 0;
  /** The last version that was the time when it was issued: of use only while the clock stands still, which ours never does. */
  #lastId: string | undefined;
  #lastUs = 0;
  #now = 0;

  /** @param nowUs microseconds since 1970, never decreasing. */
  constructor(nowUs: () => number = monotonicClock()) {
    this.#nowUs = nowUs;
  }

  /** The next version of an object, greater than every version issued or observed for it. */
  next(id: string): number {
    const now = this.#time();
    if (now === this.#lastUs && this.#lastId !== undefined) this.#learn(this.#lastId, now, now);
    this.#lastId = undefined;
    const ahead = this.#ahead.get(id);
    const version = ahead === undefined || ahead < now ? now : ahead + 1;
    if (version > Number.MAX_SAFE_INTEGER) {
      throw new RangeError(`the versions of ${JSON.stringify(id)} are used up; reset the object`);
    }
    if (version > now) {
      this.#remember(id, version, now);
    } else {
      this.#lastId = id;
      this.#lastUs = now;
    }
    return version;
  }

  /** Notes a version that is known of an object: from a load, a reply, or a caller who chose it. */
  observe(id: string, version: number): void {
    const now = this.#time();
    if (version >= now) this.#learn(id, version, now);
  }

  /** What is remembered of an object: a version that the clock has not passed yet. */
  aheadOf(id: string): number | undefined {
    const ahead = this.#ahead.get(id);
    return this.#lastId === id ? Math.max(ahead ?? 0, this.#lastUs) : ahead;
  }

  /**
   * Forgets what is known of an object. Versions issued before stay below the next one, since `now` never decreases;
   * only what ran ahead of the clock, by somebody's wild version, does so no longer.
   */
  forget(id: string): void {
    this.#ahead.delete(id);
    if (this.#lastId === id) this.#lastId = undefined;
  }

  /** Objects remembered, for tests and metrics. */
  get size(): number {
    return this.#ahead.size;
  }

  /** A clock that steps back would have versions issued again. */
  #time(): number {
    this.#now = Math.max(this.#now, this.#nowUs());
    return this.#now;
  }

  #learn(id: string, version: number, now: number): void {
    if (version > (this.#ahead.get(id) ?? -1)) this.#remember(id, version, now);
  }

  #remember(id: string, version: number, now: number): void {
    this.#ahead.set(id, version);
    this.#sincePrune += 1;
    if (this.#sincePrune < PRUNE_EVERY) return;
    this.#sincePrune = 0;
    for (const [key, value] of this.#ahead) if (value < now) this.#ahead.delete(key);
    for (const key of this.#ahead.keys()) {
      if (this.#ahead.size <= AHEAD_OBJECTS_MAX) break;
      this.#ahead.delete(key);
    }
  }
}

/**
 * A clock of microseconds since 1970 that only rises. It follows the system's clock, so it also recovers where that was
 * wrong at the start of the process; while that steps back it counts on from where it was. The digits below a millisecond
 * only tell apart what happens within one, here and on other nodes.
 *
 * @param wallMs milliseconds since 1970.
 */
export function monotonicClock(wallMs: () => number = Date.now): () => number {
  let lastUs = 0;
  return () => {
    lastUs = Math.max(lastUs + 1, wallMs() * 1_000 + (Math.floor(performance.now() * 1_000) % 1_000));
    return lastUs;
  };
}
