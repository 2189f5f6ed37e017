/**
 * The order in which a worker stops.
 *
 * 1. Report not ready, so that nobody counts on it.
 * 2. Tell the other workers, and take nothing more from the backlog. Consumers are not cancelled: that would break the order of their queues.
 * 3. Let the writers, the load responder and the letter mover finish what they are at: commit, letters, replies, settle.
 *    At the deadline cut the database connections; what was not committed is not acked. Letters made meanwhile wait in
 *    their queue for another worker.
 * 4. Close the consumers' channels: acks go out first, everything else returns to its queue, in order.
 * 5. Close the publishers: a channel's close is answered behind everything published on it.
 * 6. Close the connections, then the HTTP server, which until here could be asked why it takes so long.
 */

import { pause } from '../broker/backoff.ts';

export interface DrainSteps {
  readonly reportNotReady: () => void;
  readonly endBacklog: () => void;
  /** Resolves when the writers, the load responder and the letter mover have ended. */
  readonly finishWork: () => Promise<void>;
  /** Makes `finishWork` resolve soon, whatever it waits for. */
  readonly abandonWork: () => Promise<void>;
  readonly closeConsumers: () => Promise<void>;
  readonly closePublishers: () => Promise<void>;
  readonly closeConnections: () => Promise<void>;
  readonly closeHttpServer: () => Promise<void>;
}

/** How long abandoned work may take to notice: it is cut off from its servers, so milliseconds are much. */
const ABANDON_TIMEOUT_MS = 5_000;

/** Stops in order; returns whether the work was finished within the deadline. Never throws. */
export async function drain(steps: DrainSteps, drainTimeoutMs: number): Promise<boolean> {
  steps.reportNotReady();
  steps.endBacklog();
  const finished = steps.finishWork();
  let timer: NodeJS.Timeout | undefined;
  const inTime = await Promise.race([
    finished.then(() => true),
    new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(false), drainTimeoutMs);
    }),
  ]);
  clearTimeout(timer);
  if (!inTime) {
    // Whatever does not end by this is cut off with the connections below.
    await Promise.race([steps.abandonWork().then(() => finished), pause(ABANDON_TIMEOUT_MS)]);
  }
  await steps.closeConsumers();
  await steps.closePublishers();
  await steps.closeConnections();
  await steps.closeHttpServer();
  return inTime;
}
