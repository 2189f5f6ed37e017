/** Delays between attempts, and waiting that can be cut short. */

/**
 * The delay before the n-th retry (from 0), in milliseconds: doubles from `delayMsMin` up to `delayMsMax`, and is then
 * drawn between half and all of it, so that many clients do not come back in step.
 */
export function backoffMs(retry: number, delayMsMin: number, delayMsMax: number): number {
  const full = Math.min(delayMsMax, delayMsMin * 2 ** Math.min(retry, 30));
  return full / 2 + Math.random() * (full / 2);
}

/** Resolves after the delay, or as soon as the signal aborts; never rejects. */
export async function pause(delayMs: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted === true) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, delayMs);
    signal?.addEventListener('abort', done);
  });
}
