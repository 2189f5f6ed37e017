/** What was issued for one object, by what identifies it: a save by version and nonce, a delete by its version. */
import type { Letter, ObjectHistory, Write } from './history.ts';

/** Everything that was sent of one write. */
export interface IssuedWrite {
  readonly sendings: Write[];
}

export class Issued {
  readonly #writes = new Map<string, IssuedWrite>();
  /** How many different contents each version was issued with; a delete is a content of its own. */
  readonly #contents = new Map<number, number>();

  constructor(writes: readonly Write[]) {
    for (const write of writes) {
      const key = keyOf(write.action, write.version, write.nonce);
      const known = this.#writes.get(key);
      if (known !== undefined) {
        known.sendings.push(write);
        continue;
      }
      this.#writes.set(key, { sendings: [write] });
      this.#contents.set(write.version, (this.#contents.get(write.version) ?? 0) + 1);
    }
  }

  get all(): Iterable<IssuedWrite> {
    return this.#writes.values();
  }

  save(version: number, nonce: number): IssuedWrite | undefined {
    return this.#writes.get(keyOf('save', version, nonce));
  }

  delete(version: number): IssuedWrite | undefined {
    return this.#writes.get(keyOf('delete', version, 0));
  }

  /** Whether another content was issued under the same version, so that one of them must conflict. */
  isDisputed(version: number): boolean {
    return (this.#contents.get(version) ?? 0) > 1;
  }
}

export function keyOf(action: 'save' | 'delete', version: number, nonce: number): string {
  return action === 'save' ? `s${version}/${nonce}` : `d${version}`;
}

/** The same of the write that a letter is of; `undefined` if it is of none. */
export function keyOfLetter({ action, version = 0, nonce = 0 }: Letter): string | undefined {
  return action === 'save' || action === 'delete' ? keyOf(action, version, nonce) : undefined;
}

/** The highest epoch that was ever granted or stored. */
export function epochMax({ audit, loads, row, tombstone }: ObjectHistory): number {
  let max = Math.max(row?.epoch ?? 0, tombstone?.epoch ?? 0);
  for (const { epoch } of audit) max = Math.max(max, epoch);
  for (const { epoch } of loads) max = Math.max(max, epoch);
  return max;
}

/** The highest version that was ever stored, as row or as tombstone. */
export function versionMax({ audit, row, tombstone }: ObjectHistory): number {
  let max = Math.max(row?.version ?? 0, tombstone?.version ?? 0);
  for (const { change, version } of audit) {
    if (change === 'row' || change === 'tombstone') max = Math.max(max, version);
  }
  return max;
}

export function describeWrite({ action, version, epoch, nonce, process, outcome }: Write): string {
  return `${action} of version ${version}, epoch ${epoch}, nonce ${nonce} by process ${process} (${outcome})`;
}
