/** The writing of one batch and the reading of what its loads ask for: by then every frame has its answers, or is set aside. */
import type { WriteSession } from '../store/store.ts';
import { StoreError } from '../store/store-error.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Backlog, Batch } from './backlog.ts';
import type { Caution } from './caution.ts';
import type { ObjectReader } from './load-answers.ts';
import { loadBatch, rejectExpired } from './load-batch.ts';
import type { RefusalStreak } from './refusal-streak.ts';
import type { SettleContext } from './settle-frame.ts';
import type { SuspectNotes } from './suspect-notes.ts';
import type { VersionAhead } from './version-ahead.ts';
import type { Decoding, WorkFrame } from './work-frame.ts';
import { writeBatch } from './write-batch.ts';
import type { WriteRetry } from './write-retry.ts';

/**
 * How long partitions wait whose locks somebody else holds: a worker that is handing over finishes a batch in tens of
 * milliseconds, and a stopped one is ended by the server after seconds.
 */
export const SET_ASIDE_MS = 100;

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
  readonly batchCommandsMax: number;
  /** Told of every frame that is done with: settled, returned, or given up. */
  readonly onFrameDone: (frame: WorkFrame) => void;
  /** Told of what should never happen. */
  readonly onBug: (error: unknown) => void;
}

/**
 * Returns the frames that must be tried again; the others have all their answers.
 *
 * @param onAnswered told of frames that have theirs while those of others are still to be read.
 */
export async function runBatch(
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

/** Gives the partitions of a batch back; what is not done comes first again, after that time. */
export function release(
  batch: Batch,
  notDone: ReadonlySet<WorkFrame>,
  setAsideMs: number,
  context: WriterContext,
): void {
  for (const frame of context.backlog.release(batch, notDone, setAsideMs)) context.onFrameDone(frame);
}
