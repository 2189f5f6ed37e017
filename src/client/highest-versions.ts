/**
 * Tells a version that this client issued from somebody else's, in bounded memory: the highest version issued of each
 * object written lately, and the highest of all that were forgotten. A version above both is not ours, for certain.
 *
 * One that is below may be somebody else's all the same. Then ours is newer, and overtakes it; or it was issued so long ago
 * that it is forgotten, and a report is missed, which is better than a wrong one.
 */

/** Objects of one generation; two are kept. Some 100 bytes each with an id of usual length: 6 MiB for both. */
const OBJECTS_MAX = 32_768;

export class HighestVersions {
  #young = new Map<string, number>();
  #old = new Map<string, number>();
  #forgotten = 0;
  readonly #objectsMax: number;
  readonly #nowUs: () => number;

  /** @param nowUs microseconds since 1970. */
  constructor(objectsMax = OBJECTS_MAX, nowUs = () => Date.now() * 1_000) {
    this.#objectsMax = objectsMax;
    this.#nowUs = nowUs;
  }

  /** Notes a version that is handed over. */
  note(id: string, version: number): void {
    const known = this.#young.get(id) ?? this.#old.get(id) ?? 0;
    this.#young.set(id, version > known ? version : known);
    if (this.#young.size < this.#objectsMax) return;
    const now = this.#nowUs();
    for (const forgotten of this.#old.values()) {
      // One wild version, far ahead of the clock, would silence the reports of all other objects.
      if (forgotten > this.#forgotten) this.#forgotten = Math.max(this.#forgotten, Math.min(forgotten, now));
    }
    this.#old = this.#young;
    this.#young = new Map();
  }

  /** The object is not written by this client any more. */
  forget(id: string): void {
    this.#young.delete(id);
    this.#old.delete(id);
  }

  /** Whether it is the highest version that this client issued of the object, as far as is remembered. */
  isHighest(id: string, version: number): boolean {
    return version === (this.#young.get(id) ?? this.#old.get(id));
  }

  /** Whether the version certainly was not issued by this client. */
  isForeign(id: string, version: number): boolean {
    return version > this.#forgotten && version > (this.#young.get(id) ?? this.#old.get(id) ?? 0);
  }
}
