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

  constructor(objectsMax = OBJECTS_MAX) {
    this.#objectsMax = objectsMax;
  }

  /** Notes a version that is handed over. */
  note(id: string, version: number): void {
    const known = this.#young.get(id) ?? this.#old.get(id) ?? 0;
    this.#young.set(id, version > known ? version : known);
    if (this.#young.size < this.#objectsMax) return;
    for (const forgotten of this.#old.values()) {
      if (forgotten > this.#forgotten) this.#forgotten = forgotten;
    }
    this.#old = this.#young;
    this.#young = new Map();
  }

  /** Whether the version certainly was not issued by this client. */
  isForeign(id: string, version: number): boolean {
    return version > this.#forgotten && version > (this.#young.get(id) ?? this.#old.get(id) ?? 0);
  }
}
