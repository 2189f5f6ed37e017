/**
 * Which commands a signal aborts. One listener for each signal, however many commands it is given with: a signal that
 * ends a process may be given with all of them.
 */

interface Watched<T> {
  readonly items: Set<T>;
  readonly listener: () => void;
}

export class AbortSignals<T> {
  readonly #watched = new WeakMap<AbortSignal, Watched<T>>();
  readonly #onAbort: (item: T, reason: unknown) => void;

  constructor(onAbort: (item: T, reason: unknown) => void) {
    this.#onAbort = onAbort;
  }

  watch(signal: AbortSignal, item: T): void {
    let watched = this.#watched.get(signal);
    if (watched === undefined) {
      const items = new Set<T>();
      const listener = (): void => {
        this.#watched.delete(signal);
        for (const each of items) this.#onAbort(each, signal.reason);
      };
      watched = { items, listener };
      this.#watched.set(signal, watched);
      signal.addEventListener('abort', listener, { once: true });
    }
    watched.items.add(item);
  }

  unwatch(signal: AbortSignal, item: T): void {
    const watched = this.#watched.get(signal);
    if (watched === undefined) return;
    watched.items.delete(item);
    if (watched.items.size > 0) return;
    this.#watched.delete(signal);
    signal.removeEventListener('abort', watched.listener);
  }
}
