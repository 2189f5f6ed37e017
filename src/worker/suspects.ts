/**
 * Finds the frame that workers die of, and makes it a dead letter before it takes its neighbours with it.
 *
 * Each death returns every unacked frame to its queue and costs it one of the 50 lives that the queue gives (broker/
 * topology.ts), the innocent ones that were only waiting beside it as well. So:
 *
 * 1. A frame that has come back `SUSPECT_RETURNS_MIN` times is a suspect. It is worked on with nothing else under way in this
 *    worker but the suspects that follow it in its partition, and they are settled before anything else is begun.
 * 2. Before they are touched, that is written down in the database with the process that does it, and forgotten when they are
 *    done with, whatever became of them. It is taken back as soon as anything has to be waited for (the database, the
 *    broker) and others go on beside them, and when the worker stops: only a death over these frames leaves it standing.
 *    What has waited is not noted again; if it is deadly, it comes back and is begun anew.
 * 3. A frame over which a process ended like this is worked on by itself from then on, until it is survived.
 * 4. A frame over which `SUSPECT_DEATHS_MAX` other processes ended is rejected as a whole, `DELIVERY_LIMIT`, without being
 *    looked into. At most the first of them was working on others as well, or on others only.
 *
 * What comes back says how often it came back and not why: a death, a lost connection, a hand-over, a channel renewed
 * before its consumer timeout. Those cost innocent frames lives as well, so the count alone condemns nobody. With 5 returns
 * and 4 deaths the culprit is gone after at most 5 + 4 = 9 deaths, and its neighbours have 41 lives left; another culprit
 * among them costs 3 more if the first death was over both, or 4: 11 can be found before the queue gives up on anything
 * (9 + 10 * 4 = 49).
 *
 * Together, because what came back for other reasons is as much as was sent ahead, 32 frames of each partition by default: one
 * by one they took so long that servers which failed every few seconds returned them again before they were done, until
 * the queue gave up on all of them. A worker that lost its connection over frames, and lives, leaves notes until it has
 * taken them back; its successor may take them for a death, and works on those frames one by one.
 *
 * The numbers: under 5 returns nothing is done differently, and a rollout over a few replicas costs a waiting frame
 * less. One death may be a coincidence (killed for memory that others took, a machine that fell); three more of the same frame,
 * each time while nothing else was under way, within a day, are not.
 */
import { randomUUID } from 'node:crypto';
import { ContractError } from '../contract/errors.ts';
import { storeErrorOf } from '../store/store-error.ts';
import type { Logger } from '../telemetry/logger.ts';
import { frameLetterId } from './dead-letter.ts';
import type { Beginning, Begun, SuspectNotes } from './suspect-notes.ts';
import type { WorkFrame } from './work-frame.ts';
import type { WriteRetry } from './write-retry.ts';

const SUSPECT_DEATHS_MAX = 4;

export interface SuspectsContext {
  readonly notes: SuspectNotes;
  readonly retry: WriteRetry;
  readonly logger: Logger;
}

/**
 * Writes down that frames of one partition are begun. If workers died of one, it is begun only by itself; if too many did, it
 * is rejected unread.
 *
 * @returns those that are begun: all, or as many of the first as may be together. The others must be taken again, which is all
 * of them if the first is to be alone and was not, or if they could not be written down: others run now.
 * @throws StoppedError
 */
export async function beginSuspects(
  frames: readonly WorkFrame[],
  context: SuspectsContext,
): Promise<Map<WorkFrame, Beginning>> {
  const { notes, retry } = context;
  const given = frames.map((frame): [WorkFrame, Beginning] => [
    frame,
    { frameId: frameLetterId(frame.delivery), beginningId: randomUUID() },
  ]);
  const beginnings = given.map(([, beginning]) => beginning);
  let begun: Begun;
  try {
    begun = await notes.begin(beginnings);
    retry.succeeded();
  } catch (error) {
    notes.withdraw(beginnings);
    await retry.failed(storeErrorOf(error));
    return new Map();
  }
  for (const [index, [frame, beginning]] of given.entries()) {
    const deaths = begun.deaths[index] ?? 0;
    if (deaths === 0) continue;
    frame.alone = true;
    if (frames.length === 1) judge(frame, deaths, beginning, context);
  }
  return new Map(given.slice(0, begun.count));
}

/** Of a frame that other processes ended over, and that is begun by itself. */
function judge(frame: WorkFrame, deaths: number, { frameId }: Beginning, { logger }: SuspectsContext): void {
  if (deaths < SUSPECT_DEATHS_MAX) {
    const fields = { ...subjectOf(frame), attempt: deaths + 1 };
    logger.warn(fields, 'working alone on a frame that a worker ended over');
    return;
  }
  logger.error(
    { ...subjectOf(frame), letterId: frameId },
    'workers die of a frame; it becomes a dead letter',
  );
  const message = `${deaths} workers ended while they worked on this frame, all but the first on nothing else`;
  frame.condemn({
    error: new ContractError('DELIVERY_LIMIT', message),
    attempts: frame.delivery.returns + 1,
  });
}

function subjectOf({ delivery, key }: WorkFrame) {
  const { messageId } = delivery;
  return { ...key, messageId, deliveries: delivery.returns + 1 };
}
