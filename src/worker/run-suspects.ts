/** The work on suspects (suspects.ts): begun, read, written, settled, and only then forgotten. */
import type { Batch } from './backlog.ts';
import type { HeldDocuments } from './held-documents.ts';
import { release, runBatch, SET_ASIDE_MS, type WriterContext } from './run-batch.ts';
import { settleFrame } from './settle-frame.ts';
import type { Beginning } from './suspect-notes.ts';
import { beginSuspects } from './suspects.ts';
import type { WorkFrame } from './work-frame.ts';
import { StoppedError } from './write-retry.ts';

/**
 * How long others wait for the letters, replies and acks of suspects. A broker that is not held up takes milliseconds; one
 * that is may take hours.
 */
const SETTLE_ALONE_MS = 200;

/**
 * Works on suspects: whoever dies meanwhile, dies of one of them. The next batch is taken while they are settled; the
 * backlog gives none out before that, unless it takes long.
 */
export async function runSuspects(
  batch: Batch,
  context: WriterContext,
  settling: Set<Promise<void>>,
  held: HeldDocuments,
): Promise<void> {
  const { backlog, notes, retry } = context;
  const begun = await beginSuspects(batch.frames, context);
  if (begun.size === 0) {
    release(batch, new Set(batch.frames), 0, context);
    return;
  }
  const beginnings = [...begun.values()];
  const stalled = (): void => {
    backlog.stalled(batch);
    notes.withdraw(beginnings);
  };
  retry.begin(stalled);
  const settled = new Map<WorkFrame, Promise<void>>();
  const survived: WorkFrame[] = [];
  const beginningsOf = (frames: Iterable<WorkFrame>): Beginning[] =>
    [...frames].flatMap((frame) => begun.get(frame) ?? []);
  const beginSettling = (frames: readonly WorkFrame[]): void => {
    for (const frame of frames) {
      const done = settleSuspect(frame, beginningsOf([frame]), survived, context).finally(() =>
        settling.delete(done),
      );
      settling.add(done);
      settled.set(frame, done);
      held.hold(frame, done);
    }
  };
  const room = async (): Promise<void> => {
    const timer = setTimeout(stalled, SETTLE_ALONE_MS);
    await held.room();
    clearTimeout(timer);
  };
  let setAside: ReadonlySet<WorkFrame>;
  try {
    const frames = decodeTogether(begun.keys(), context);
    notes.withdraw(beginnings.slice(frames.length));
    setAside = await runBatch({ ...batch, frames }, context, async (answered) => {
      beginSettling(answered);
      await room();
    });
    // It may be that they took too long together.
    if (frames.length > 1 && setAside.size === frames.length) for (const frame of frames) frame.alone = true;
    beginSettling(frames.filter((frame) => !setAside.has(frame) && !settled.has(frame)));
  } catch (error) {
    if (error instanceof StoppedError) notes.withdraw(beginnings);
    else notes.blame(beginnings);
    throw error;
  }
  const notDone = new Set(batch.frames.filter((frame) => !settled.has(frame)));
  notes.withdraw(beginningsOf(notDone));
  const timer = setTimeout(stalled, SETTLE_ALONE_MS);
  const ended = Promise.all(settled.values())
    .then(() => {
      // What has returned to its queue meanwhile is not done with, and others may have begun it.
      notes.withdraw(beginningsOf(survived.filter(({ delivery }) => !delivery.live())));
      return notes.end(beginningsOf(survived.filter(({ delivery }) => delivery.live())));
    })
    .finally(() => {
      clearTimeout(timer);
      release(batch, notDone, setAside.size > 0 ? SET_ASIDE_MS : 0, context);
      settling.delete(ended);
    });
  settling.add(ended);
  await held.room();
}

/** Reads as many frames as make a batch; returns those. */
function decodeTogether(
  frames: Iterable<WorkFrame>,
  { decoding, batchCommandsMax }: WriterContext,
): WorkFrame[] {
  const decoded: WorkFrame[] = [];
  let commands = 0;
  for (const frame of frames) {
    if (commands >= batchCommandsMax) break;
    frame.decode(decoding);
    commands += frame.commandCount;
    decoded.push(frame);
  }
  return decoded;
}

/** Never rejects. */
async function settleSuspect(
  frame: WorkFrame,
  beginnings: readonly Beginning[],
  survived: WorkFrame[],
  context: WriterContext,
): Promise<void> {
  const { notes, onBug, onFrameDone } = context;
  try {
    await settleFrame(frame, context.settle);
    survived.push(frame);
  } catch (error) {
    if (error instanceof StoppedError) {
      notes.withdraw(beginnings);
    } else {
      notes.blame(beginnings);
      onBug(error);
    }
  }
  onFrameDone(frame);
}
