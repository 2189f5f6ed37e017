/**
 * One writer: takes a batch, writes it, answers its loads, lets its frames be settled; then the next. Several run side
 * by side on disjoint partitions. It does not wait for frames to be settled: a dead letter that is held up holds up its
 * own partition, by prefetch, and no other.
 */
import type { WriteSession } from '../store/store.ts';
import { StoreError } from '../store/store-error.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Backlog, Batch } from './backlog.ts';
import type { Caution } from './caution.ts';
import { HeldDocuments } from './held-documents.ts';
import type { ObjectReader } from './load-answers.ts';
import { loadBatch, rejectExpired } from './load-batch.ts';
import type { RefusalStreak } from './refusal-streak.ts';
import { type SettleContext, settleFrame, settleQuietFrame } from './settle-frame.ts';
import type { Beginning, SuspectNotes } from './suspect-notes.ts';
import { beginSuspect } from './suspects.ts';
import type { VersionAhead } from './version-ahead.ts';
import type { Decoding, WorkFrame } from './work-frame.ts';
import { writeBatch } from './write-batch.ts';
import { StoppedError, type WriteRetry } from './write-retry.ts';

/**
 * How long partitions wait whose locks somebody else holds: a worker that is handing over finishes a batch in tens of
 * milliseconds, and a stopped one is ended by the server after seconds.
 */
const SET_ASIDE_MS = 100;

/**
 * How long others wait for the letters, reply and ack of a suspect. A broker that is not held up takes milliseconds; one
 * that is may take hours.
 */
const SETTLE_ALONE_MS = 200;

const NOTHING: ReadonlySet<WorkFrame> = new Set();

export interface WriterContext {
  readonly backlog: Backlog;
  readonly session: WriteSession;
  readonly retry: WriteRetry;
  readonly notes: SuspectNotes;
  readonly streak: RefusalStreak;
  readonly caution: Caution;
  readonly versionAhead: VersionAhead;
  readonly reader: ObjectReader;
  readonly settle: SettleContext;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly decoding: Decoding;
  /** Told of every frame that is done with: settled, returned, or given up. */
  readonly onFrameDone: (frame: WorkFrame) => void;
  /** Told of what should never happen. */
  readonly onBug: (error: unknown) => void;
}

/** Runs until the backlog has ended or the worker was stopped, and everything taken is settled or given up. */
export async function runWriter(context: WriterContext): Promise<void> {
  const settling = new Set<Promise<void>>();
  const held = new HeldDocuments(context.reader.bytesMax);
  for (;;) {
    const batch = await context.backlog.take();
    if (batch === undefined) break;
    context.retry.begin(() => context.backlog.stalled(batch));
    try {
      if (batch.suspect !== undefined) {
        await runSuspect(batch, batch.suspect, context, settling);
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
      release(batch, setAside, context);
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

/**
 * Works on a suspect: whoever dies meanwhile, dies of this frame. The next batch is taken while it is settled; the
 * backlog gives none out before that, unless it takes long.
 */
async function runSuspect(
  batch: Batch,
  frame: WorkFrame,
  context: WriterContext,
  settling: Set<Promise<void>>,
): Promise<void> {
  const { backlog, notes, retry, decoding } = context;
  const beginning = await beginSuspect(frame, context);
  if (beginning === undefined) {
    release(batch, new Set(batch.frames), context);
    return;
  }
  const stalled = (): void => {
    backlog.stalled(batch);
    notes.withdraw(beginning);
  };
  retry.begin(stalled);
  try {
    frame.decode(decoding);
    const setAside = await runBatch(batch, context);
    if (setAside.has(frame)) {
      notes.withdraw(beginning);
      release(batch, setAside, context);
      return;
    }
  } catch (error) {
    if (error instanceof StoppedError) notes.withdraw(beginning);
    else notes.blame(beginning);
    throw error;
  }
  const timer = setTimeout(stalled, SETTLE_ALONE_MS);
  const settled = settleSuspect(frame, beginning, context).finally(() => {
    clearTimeout(timer);
    release(batch, NOTHING, context);
    settling.delete(settled);
  });
  settling.add(settled);
}

/** Never rejects. */
async function settleSuspect(frame: WorkFrame, beginning: Beginning, context: WriterContext): Promise<void> {
  const { notes, onBug, onFrameDone } = context;
  try {
    await settleFrame(frame, context.settle);
    await notes.end(beginning);
  } catch (error) {
    if (error instanceof StoppedError) {
      notes.withdraw(beginning);
    } else {
      notes.blame(beginning);
      onBug(error);
    }
  }
  onFrameDone(frame);
}

function release(batch: Batch, setAside: ReadonlySet<WorkFrame>, context: WriterContext): void {
  for (const frame of context.backlog.release(batch, setAside, SET_ASIDE_MS)) context.onFrameDone(frame);
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

/**
 * Returns the frames that must be tried again; the others have all their answers.
 *
 * @param onAnswered told of frames that have theirs while those of others are still to be read.
 */
async function runBatch(
  batch: Batch,
  context: WriterContext,
  onAnswered: (frames: readonly WorkFrame[]) => Promise<void> = async () => {},
): Promise<Set<WorkFrame>> {
  const { metrics } = context;
  metrics.batchCommands.observe(batch.frames.reduce((sum, { commandCount }) => sum + commandCount, 0));
  const fresh = batch.frames.filter(({ counted }) => !counted);
  for (const frame of fresh) {
    frame.counted = true;
    metrics.commandsInFlight.inc(frame.commandCount);
  }
  context.versionAhead.look(fresh);
  rejectExpired(batch.frames);
  const setAside = new Set(await writeAll(batch, context));
  const done = batch.frames.filter((frame) => !setAside.has(frame));
  const startedAt = performance.now();
  const loads = await loadBatch(done, { ...context, onAnswered });
  if (loads > 0) metrics.loadDuration.ordered.observe((performance.now() - startedAt) / 1_000);
  return setAside;
}

/** Writes the batch; returns the frames that must be tried again. */
async function writeAll(batch: Batch, context: WriterContext): Promise<WorkFrame[]> {
  const write = (frames: readonly WorkFrame[]) =>
    writeBatch(frames, {
      session: context.session,
      retry: context.retry,
      streak: context.streak,
      caution: context.caution,
      onWritten: ({ path, rows, durationMs }) => {
        context.metrics.batches[path].inc();
        context.metrics.batchRows.observe(rows);
        context.metrics.writeDuration[path].observe(durationMs / 1_000);
      },
    });
  try {
    return [...(await write(batch.frames)).setAside];
  } catch (error) {
    if (!isContended(error)) throw error;
  }
  // Somebody holds a row. Partition by partition, so that only those that need it wait.
  context.metrics.writeRetries.contended.inc();
  const setAside: WorkFrame[] = [];
  for (const { key } of batch.partitions) {
    const frames = batch.frames.filter((frame) => frame.key === key);
    try {
      setAside.push(...(await write(frames)).setAside);
    } catch (error) {
      if (!isContended(error)) throw error;
      setAside.push(...frames);
    }
  }
  return setAside;
}

function isContended(error: unknown): boolean {
  return error instanceof StoreError && error.failure === 'contended';
}
