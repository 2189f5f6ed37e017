/** Puts the parts of long replies together, within a bound. */
import { REPLY_LAST_HEADER, REPLY_PART_HEADER } from '../contract/names.ts';

interface Assembly {
  readonly parts: Buffer[];
  bytes: number;
}

/** `partial`: more parts are to come. `broken`: a part is missing. `too large`: beyond the bound. */
export type Assembled = Buffer | 'partial' | 'broken' | 'too large';

export class ReplyAssembly {
  readonly #bytesMax: number;
  readonly #assemblies = new Map<string, Assembly>();
  #bytes = 0;

  /** @param bytesMax of all replies together that are not complete. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Adds a part of the reply of that key. A reply that is complete or broken is forgotten. */
  add(key: string, body: Buffer, headers: Readonly<Record<string, unknown>>): Assembled {
    const part = headers[REPLY_PART_HEADER] ?? 0;
    const last = headers[REPLY_LAST_HEADER] ?? true;
    // A worker that took over begins anew.
    if (part === 0) this.forget(key);
    if (part === 0 && last === true) return body;
    const assembly = this.#assemblies.get(key) ?? { parts: [], bytes: 0 };
    if (part !== assembly.parts.length) {
      this.forget(key);
      return 'broken';
    }
    // The part may be added once more, when others were forgotten.
    if (this.#bytes + body.length > this.#bytesMax) return 'too large';
    this.#assemblies.set(key, assembly);
    assembly.parts.push(body);
    assembly.bytes += body.length;
    this.#bytes += body.length;
    if (last !== true) return 'partial';
    this.forget(key);
    return Buffer.concat(assembly.parts);
  }

  /** Bytes held of one reply. */
  bytesOf(key: string): number {
    return this.#assemblies.get(key)?.bytes ?? 0;
  }

  forget(key: string): void {
    const assembly = this.#assemblies.get(key);
    if (assembly === undefined) return;
    this.#assemblies.delete(key);
    this.#bytes -= assembly.bytes;
  }

  /** Forgets the replies of all other keys. Returns whether there were any. */
  retain(isKept: (key: string) => boolean): boolean {
    const forgotten = [...this.#assemblies.keys()].filter((key) => !isKept(key));
    for (const key of forgotten) this.forget(key);
    return forgotten.length > 0;
  }

  /** No part of what was begun will come any more. */
  clear(): void {
    this.#assemblies.clear();
    this.#bytes = 0;
  }

  /** Bytes held, for tests. */
  get bytes(): number {
    return this.#bytes;
  }
}
