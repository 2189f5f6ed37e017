/** Bounds what was begun and is not finished, in commands and in bytes: whoever begins more waits for room first. */
export class Window {
  readonly #countMax: number;
  readonly #bytesMax: number;
  #count = 0;
  #bytes = 0;
  #onRoom: (() => void) | undefined;
  #onEmpty: (() => void) | undefined;

  constructor(countMax: number, bytesMax: number) {
    this.#countMax = countMax;
    this.#bytesMax = bytesMax;
  }

  enter(bytes: number): void {
    this.#count += 1;
    this.#bytes += bytes;
  }

  leave(bytes: number): void {
    this.#count -= 1;
    this.#bytes -= bytes;
    if (!this.full) this.#onRoom?.();
    if (this.#count === 0) this.#onEmpty?.();
  }

  /** Nothing more may enter: one command above the limit of bytes is let in, or it could never be sent. */
  get full(): boolean {
    return this.#count >= this.#countMax || this.#bytes >= this.#bytesMax;
  }

  /** Resolves when there is room. One caller at a time. */
  async room(): Promise<void> {
    if (!this.full) return;
    await new Promise<void>((resolve) => {
      this.#onRoom = resolve;
    });
    this.#onRoom = undefined;
  }

  /** Resolves when everything is finished. One caller at a time. */
  async empty(): Promise<void> {
    if (this.#count === 0) return;
    await new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
    });
    this.#onEmpty = undefined;
  }
}
