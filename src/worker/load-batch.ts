/** Answers the ordered loads of a batch, after everything before them is committed. */
import type { ReadSession } from '../store/store.ts';
import { StoreError, storeErrorOf } from '../store/store-error.ts';
import { expired, isExpired, loadAnswer, type ObjectReader, refusedRead } from './load-answers.ts';
import { reject, type WorkEntry, type WorkFrame } from './work-frame.ts';
import type { WriteRetry } from './write-retry.ts';

/** Refuses what nobody waits for any more, before anything is written or read for it: a claim, too. */
export function rejectExpired(frames: readonly WorkFrame[]): void {
  for (const { entries } of frames) {
    for (const work of entries) {
      if (work.load !== undefined && work.line === undefined && isExpired(work.load.deadline)) {
        reject(work, { error: expired() });
      }
    }
  }
}

export interface LoadBatchContext {
  readonly session: ReadSession;
  readonly reader: ObjectReader;
  readonly retry: WriteRetry;
  /**
   * More is to be read, and these frames have all their answers, in queue order, each told once: they should be settled,
   * so that not all documents of a batch are in memory at once. Awaited.
   */
  readonly onAnswered: (frames: readonly WorkFrame[]) => Promise<void>;
}

/**
 * Answers the loads of frames, whose commands have all their answers then.
 *
 * @returns how many loads there were.
 * @throws StoppedError if the worker stops before the database can be read.
 */
export async function loadBatch(
  frames: readonly WorkFrame[],
  { session, reader, retry, onAnswered }: LoadBatchContext,
): Promise<number> {
  const works: WorkEntry[] = [];
  let waiting: WorkFrame[] = [];
  for (const frame of frames) {
    const before = works.length;
    for (const work of frame.entries) {
      if (work.load !== undefined && work.line === undefined) works.push(work);
    }
    if (works.length > before) waiting.push(frame);
  }
  const handOver = async (): Promise<void> => {
    const answered = waiting.filter(isAnswered);
    waiting = waiting.filter((frame) => !isAnswered(frame));
    if (answered.length > 0) await onAnswered(answered);
  };
  let left = works;
  while (left.length > 0) {
    const wanted = left.map(({ load }) => ({ id: load?.id ?? '', document: load?.document ?? true }));
    const asked = left;
    try {
      await reader.read(session, wanted, (index, result) => answer(asked[index], result), handOver);
      retry.succeeded();
    } catch (error) {
      await retry.failed(storeErrorOf(error));
    }
    left = left.filter((work) => work.line === undefined);
  }
  return works.length;
}

function isAnswered({ entries }: WorkFrame): boolean {
  return entries.every(({ line }) => line !== undefined);
}

function answer(work: WorkEntry | undefined, result: Parameters<typeof loadAnswer>[0] | StoreError): void {
  if (work === undefined) return;
  const rejection = refusedRead(result);
  if (rejection !== undefined) reject(work, rejection);
  else if (!(result instanceof StoreError)) {
    const { line, document } = loadAnswer(result, work.claimedEpoch);
    work.document = document;
    work.line = line;
  }
}
