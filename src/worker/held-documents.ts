/**
 * How much of the loaded documents of one writer is in memory for replies that are not sent yet. Once it is more than one
 * statement may read, the next waits: a broker that is slow to take replies slows the reading down.
 *
 * n.b. What is held up for hours (letters that no queue takes, in a frame that loads as well) holds the writer up with it, if
 * it holds that much.
 */
import type { WorkFrame } from './work-frame.ts';

export class HeldDocuments {
  readonly #bytesMax: number;
  readonly #settling = new Set<Promise<void>>();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** A frame with all its answers is being settled; its documents are dropped when that is done. */
  hold({ entries }: WorkFrame, settled: Promise<void>): void {
    let bytes = 0;
    for (const { document } of entries) bytes += document?.length ?? 0;
    if (bytes === 0) return;
    this.#bytes += bytes;
    const dropped = settled.then(() => {
      for (const work of entries) work.document = undefined;
      this.#bytes -= bytes;
      this.#settling.delete(dropped);
    });
    this.#settling.add(dropped);
  }

  /** Resolves when something may be read. */
  async room(): Promise<void> {
    while (this.#bytes >= this.#bytesMax) await Promise.race(this.#settling);
  }
}
