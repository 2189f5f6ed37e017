/**
 * Finds the frame that workers die of, and makes it a dead letter before it takes its neighbours with it.
 *
 * Each death returns every unacked frame to its queue and costs it one of the 50 lives that the queue gives (broker/
 * topology.ts), the innocent ones that were only waiting beside it as well. So:
 *
 * 1. A frame that has come back `SUSPECT_RETURNS_MIN` times is a suspect. It is worked on alone: first in its partition,
 *    with nothing else under way in this worker, and acked before the next one is begun.
 * 2. Before it is touched, that is written down in the database, and taken back when it is done with, whatever became of
 *    it. Only the death of the process leaves it standing.
 * 3. A frame with `SUSPECT_DEATHS_MAX` such deaths is rejected as a whole, `DELIVERY_LIMIT`, without being looked into.
 *
 * What comes back says how often it came back and not why: a death, a lost connection, a hand-over, a channel renewed
 * before its consumer timeout. Those cost innocent frames lives as well, so the count alone condemns nobody; it only
 * makes a frame be worked on alone, which costs two short statements. With 5 returns and 3 deaths the culprit is gone
 * after at most 5 + 3 = 8 deaths, and its neighbours have 42 lives left; another culprit among them costs 3 more, since
 * all of them are suspects by then: 14 in one prefetch window can be found before the queue gives up on anything.
 *
 * The numbers: under 5 returns nothing is done differently, and a rollout over a few replicas costs a waiting frame
 * less. One death may be a coincidence (killed for memory that others took, a machine that fell); three of the same frame,
 * each time while nothing else was under way, within a day, are not.
 */
import { ContractError } from '../contract/errors.ts';
import type { WriteSession } from '../store/store.ts';
import { toStoreError } from '../store/store-error.ts';
import type { Logger } from '../telemetry/logger.ts';
import { frameLetterId } from './dead-letter.ts';
import type { Decoding, WorkFrame } from './work-frame.ts';
import type { WriteRetry } from './write-retry.ts';

const SUSPECT_DEATHS_MAX = 3;

export interface SuspectsContext {
  readonly session: WriteSession;
  readonly retry: WriteRetry;
  readonly logger: Logger;
  readonly decoding: Decoding;
}

/** Reads the frame, unless workers died of it: then it is rejected unread. @throws StoppedError */
export async function beginSuspect(frame: WorkFrame, context: SuspectsContext): Promise<void> {
  const { session, retry, logger, decoding } = context;
  const { delivery } = frame;
  const frameId = frameLetterId(delivery);
  const begun = await untilStored(() => session.beginSuspect(frameId), retry);
  const deaths = begun - 1;
  if (deaths < SUSPECT_DEATHS_MAX) {
    if (deaths > 0) {
      const fields = { ...subjectOf(frame), attempt: begun };
      logger.warn(fields, 'working alone on a frame that a worker ended over');
    }
    frame.decode(decoding);
    return;
  }
  logger.error(
    { ...subjectOf(frame), letterId: frameId },
    'workers die of a frame; it becomes a dead letter',
  );
  const message = `${deaths} workers ended while they worked on this frame and on nothing else`;
  frame.condemn({ error: new ContractError('DELIVERY_LIMIT', message), attempts: delivery.returns + 1 });
}

/** The frame was survived. @throws StoppedError */
export async function endSuspect(frame: WorkFrame, { session, retry }: SuspectsContext): Promise<void> {
  await untilStored(() => session.endSuspect(frameLetterId(frame.delivery)), retry);
}

function subjectOf({ delivery, key }: WorkFrame) {
  const { messageId } = delivery;
  return { ...key, messageId, deliveries: delivery.returns + 1 };
}

async function untilStored<T>(action: () => Promise<T>, retry: WriteRetry): Promise<T> {
  for (;;) {
    try {
      const result = await action();
      retry.succeeded();
      return result;
    } catch (error) {
      await retry.failed(toStoreError(error));
    }
  }
}
