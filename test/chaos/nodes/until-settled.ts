/** Waiting for what is under way at the end of a run. */

/** Nothing settled for so long: something is stuck. Longer than every timeout of clients and workers. */
const STUCK_MS = 60_000;
/** However much there is to settle. */
const LIMIT_MS = 300_000;
const POLL_MS = 50;

/** Resolves when nothing is left, or when that does not get less any more. */
export async function untilSettled(left: () => number): Promise<void> {
  const startedAt = performance.now();
  let least = left();
  let changedAt = startedAt;
  while (left() > 0) {
    const now = performance.now();
    if (left() < least) {
      least = left();
      changedAt = now;
    }
    if (now - changedAt > STUCK_MS || now - startedAt > LIMIT_MS) return;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** A reply that waits for letters to be confirmed may come after those to later frames. */
const LATE_MS = 2_500;

/** Time for such replies, before the queue of replies goes. */
export async function lateReplies(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, LATE_MS));
}
