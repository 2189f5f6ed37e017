/** Waiting for what another process does and tells nobody about. Nothing inside this process is waited for so. */
import { setTimeout as delay } from 'node:timers/promises';

const POLL_MS = 10;

/**
 * The first value of `condition` that is neither false nor undefined.
 *
 * @throws Error with what the condition last said if that takes longer than `limitMs`.
 */
export async function eventually<T>(
  condition: () => T | Promise<T>,
  limitMs = 10_000,
): Promise<Exclude<T, false | undefined>> {
  const end = performance.now() + limitMs;
  for (;;) {
    const value = await condition();
    if (value !== false && value !== undefined) return value as Exclude<T, false | undefined>;
    if (performance.now() > end) {
      throw new Error(`within ${limitMs} ms this did not come true: ${condition.toString()}`);
    }
    await delay(POLL_MS);
  }
}

/** Fails instead of hanging: what must settle by itself within the limit. */
export async function within<T>(limitMs: number, what: string, promise: Promise<T>): Promise<T> {
  const timeout = new AbortController();
  try {
    return await Promise.race([
      promise,
      delay(limitMs, undefined, { signal: timeout.signal }).then(() => {
        throw new Error(`${what} took longer than ${limitMs} ms`);
      }),
    ]);
  } finally {
    timeout.abort();
  }
}

/** Something that is waited for, and the word that it has come. */
export class Gate {
  readonly opened: Promise<void>;
  #open: (() => void) | undefined;

  constructor() {
    this.opened = new Promise((resolve) => {
      this.#open = resolve;
    });
  }

  open(): void {
    this.#open?.();
  }
}
