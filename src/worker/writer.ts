/**
 * One writer: takes a batch, writes it, answers its loads, lets its frames be settled; then the next. Several run side
 * by side on disjoint partitions. It does not wait for frames to be settled: a dead letter that is held up holds up its
 * own partition, by prefetch, and no other.
 */
import { HeldDocuments } from './held-documents.ts';
import { release, runBatch, SET_ASIDE_MS, type WriterContext } from './run-batch.ts';
import { runSuspects } from './run-suspects.ts';
import { settleFrame, settleQuietFrame } from './settle-frame.ts';
import type { WorkFrame } from './work-frame.ts';
import { StoppedError } from './write-retry.ts';

/** Runs until the backlog has ended or the worker was stopped, and everything taken is settled or given up. */
export async function runWriter(context: WriterContext): Promise<void> {
  const settling = new Set<Promise<void>>();
  const held = new HeldDocuments(context.reader.bytesMax);
  for (;;) {
    const batch = await context.backlog.take();
    if (batch === undefined) break;
    context.retry.begin(() => context.backlog.stalled(batch));
    try {
      if (batch.suspects) {
        await runSuspects(batch, context, settling, held);
        continue;
      }
      const begun = new Set<WorkFrame>();
      const beginSettling = (frames: readonly WorkFrame[]): void => {
        for (const frame of frames) {
          begun.add(frame);
          if (settleQuietFrame(frame, context.settle)) {
            context.onFrameDone(frame);
            continue;
          }
          const settled = settle(frame, context).finally(() => settling.delete(settled));
          settling.add(settled);
          held.hold(frame, settled);
        }
      };
      const setAside = await runBatch(batch, context, async (answered) => {
        beginSettling(answered);
        await held.room();
      });
      // The next batch of these partitions may begin: what follows touches the database no more.
      release(batch, setAside, SET_ASIDE_MS, context);
      beginSettling(batch.frames.filter((frame) => !setAside.has(frame) && !begun.has(frame)));
      await held.room();
    } catch (error) {
      context.backlog.stalled(batch);
      for (const frame of batch.frames) context.onFrameDone(frame);
      if (error instanceof StoppedError) break;
      // A frame that makes us fail is not settled: it returns with its channel, and its lives are counted.
      context.onBug(error);
      break;
    }
  }
  await Promise.all(settling);
  await context.session.close();
}

/** Never rejects. */
async function settle(frame: WorkFrame, context: WriterContext): Promise<void> {
  try {
    await settleFrame(frame, context.settle);
  } catch (error) {
    if (!(error instanceof StoppedError)) context.onBug(error);
  }
  context.onFrameDone(frame);
}
