/** The epochs that this client's claims were given: every later write of such an object carries its epoch. */
import { ClientError } from './client-error.ts';

export class ClaimedEpochs {
  readonly #epochs = new Map<string, number>();
  readonly #claimsMax: number;

  constructor(claimsMax: number) {
    this.#claimsMax = claimsMax;
  }

  get size(): number {
    return this.#epochs.size;
  }

  /**
   * Makes sure that one more object can be claimed. Nothing is forgotten to make room: writes of the forgotten object
   * would go out under epoch 0, and all come back fenced.
   *
   * @throws ClientError `OVERLOADED`.
   */
  requireRoom(id: string): void {
    if (this.#epochs.size < this.#claimsMax || this.#epochs.has(id)) return;
    throw new ClientError('OVERLOADED', `${this.#claimsMax} objects are claimed; release what is not owned`, {
      id,
    });
  }

  remember(id: string, epoch: number): void {
    if (epoch > (this.#epochs.get(id) ?? -1)) this.#epochs.set(id, epoch);
  }

  /** The epoch that a write of the object carries: 0 if it was not claimed. */
  epochOf(id: string): number {
    if (this.#epochs.size === 0) return 0;
    return this.#epochs.get(id) ?? 0;
  }

  forget(id: string): boolean {
    return this.#epochs.delete(id);
  }
}
