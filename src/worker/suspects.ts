/**
 * Finds the frame that workers die of, and makes it a dead letter before it takes its neighbours with it.
 *
 * Each death returns every unacked frame to its queue and costs it one of the 50 lives that the queue gives (broker/
 * topology.ts), the innocent ones that were only waiting beside it as well. So:
 *
 * 1. A frame that has come back `SUSPECT_RETURNS_MIN` times is a suspect. It is worked on alone: first in its partition,
 *    with nothing else under way in this worker, and acked before the next one is begun.
 * 2. Before it is touched, that is written down in the database with the process that does it, and forgotten when it is
 *    done with, whatever became of it. It is taken back as soon as anything has to be waited for (the database, the broker)
 *    and others go on beside it, and when the worker stops: only a death over this frame alone leaves it standing. What
 *    has waited is not noted again; if it is deadly, it comes back and is begun anew.
 * 3. A frame over which `SUSPECT_DEATHS_MAX` other processes ended like this is rejected as a whole, `DELIVERY_LIMIT`,
 *    without being looked into.
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
import { randomUUID } from 'node:crypto';
import { ContractError } from '../contract/errors.ts';
import { storeErrorOf } from '../store/store-error.ts';
import type { Logger } from '../telemetry/logger.ts';
import { frameLetterId } from './dead-letter.ts';
import type { Beginning, SuspectNotes } from './suspect-notes.ts';
import type { WorkFrame } from './work-frame.ts';
import type { WriteRetry } from './write-retry.ts';

const SUSPECT_DEATHS_MAX = 3;

export interface SuspectsContext {
  readonly notes: SuspectNotes;
  readonly retry: WriteRetry;
  readonly logger: Logger;
}

/**
 * Writes down that the frame is begun; if workers died of it, it is rejected unread.
 *
 * @returns `undefined` if it could not be written down, and was waited for: others run now, so it must be taken again.
 * @throws StoppedError
 */
export async function beginSuspect(
  frame: WorkFrame,
  { notes, retry, logger }: SuspectsContext,
): Promise<Beginning | undefined> {
  const { delivery } = frame;
  const frameId = frameLetterId(delivery);
  const beginning = { frameId, beginningId: randomUUID() };
  let deaths: number;
  try {
    deaths = await notes.begin(beginning);
    retry.succeeded();
  } catch (error) {
    notes.withdraw(beginning);
    await retry.failed(storeErrorOf(error));
    return undefined;
  }
  if (deaths < SUSPECT_DEATHS_MAX) {
    if (deaths > 0) {
      const fields = { ...subjectOf(frame), attempt: deaths + 1 };
      logger.warn(fields, 'working alone on a frame that a worker ended over');
    }
    return beginning;
  }
  logger.error(
    { ...subjectOf(frame), letterId: frameId },
    'workers die of a frame; it becomes a dead letter',
  );
  const message = `${deaths} workers ended while they worked on this frame and on nothing else`;
  frame.condemn({ error: new ContractError('DELIVERY_LIMIT', message), attempts: delivery.returns + 1 });
  return beginning;
}

function subjectOf({ delivery, key }: WorkFrame) {
  const { messageId } = delivery;
  return { ...key, messageId, deliveries: delivery.returns + 1 };
}
