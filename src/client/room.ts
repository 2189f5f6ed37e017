/** A bound in items and bytes, and the queue of those who wait for room under it. */
import { Fifo } from './fifo.ts';
import type { Outgoing } from './outgoing.ts';

/** Those who gave up waiting are taken out when they are this many and half of all. */
const SWEEP_AT = 1_024;

export class Room {
  readonly #itemsMax: number;
  readonly #bytesMax: number;
  readonly #waiting = new Fifo<Outgoing>();
  #gaveUp = 0;
  #items = 0;
  #bytes = 0;

  constructor(itemsMax: number, bytesMax: number) {
    this.#itemsMax = itemsMax;
    this.#bytesMax = bytesMax;
  }

  get items(): number {
    return this.#items;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get waitingCount(): number {
    return this.#waiting.size - this.#gaveUp;
  }

  /** Whether there is room now, and nobody waits for it. */
  isFree(items: number, bytes: number): boolean {
    return this.#waiting.size === 0 && this.#fits(items, bytes);
  }

  take(bytes: number): void {
    this.#items += 1;
    this.#bytes += bytes;
  }

  release(bytes: number): void {
    this.#items -= 1;
    this.#bytes -= bytes;
  }

  wait(command: Outgoing): void {
    this.#waiting.push(command);
  }

  /** One of those who wait was settled. */
  giveUp(): void {
    this.#gaveUp += 1;
    if (this.#gaveUp < SWEEP_AT || this.#gaveUp * 2 < this.#waiting.size) return;
    this.#waiting.take((command) => command.settled);
    this.#gaveUp = 0;
  }

  /**
   * The first who waits, if there is room for it.
   *
   * @param needsRoom those who only keep their place in the order need none.
   */
  next(needsRoom: (command: Outgoing) => boolean): Outgoing | undefined {
    for (;;) {
      const command = this.#waiting.peek();
      if (command === undefined) return undefined;
      if (command.settled) {
        this.#waiting.shift();
        this.#gaveUp -= 1;
        continue;
      }
      if (needsRoom(command) && !this.#fits(1, command.bytes)) return undefined;
      return this.#waiting.shift();
    }
  }

  /** Everybody who waits, none of whom waits any longer. */
  clear(): Outgoing[] {
    this.#gaveUp = 0;
    return this.#waiting.take(() => true).filter((command) => !command.settled);
  }

  /** One command that is larger than everything fits when nothing else is there, else it would wait for ever. */
  #fits(items: number, bytes: number): boolean {
    if (this.#items === 0 && items <= 1) return true;
    return this.#items + items <= this.#itemsMax && this.#bytes + bytes <= this.#bytesMax;
  }
}
