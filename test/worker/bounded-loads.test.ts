/** Loads of much more than fits into memory. Goal: what is read at once and held for replies is bounded, and nothing is left out. */
import { describe, expect, it } from 'vitest';
import { PostgresStore } from '../../src/store/postgres-store.ts';
import type { LoadWanted, ReadSession } from '../../src/store/store.ts';
import { ObjectReader } from '../../src/worker/load-answers.ts';
import { loadBatch } from '../../src/worker/load-batch.ts';
import type { WorkFrame } from '../../src/worker/work-frame.ts';
import { WriteRetry } from '../../src/worker/write-retry.ts';
import { openScratch } from '../support/scratch.ts';
import { load } from '../support/test-publisher.ts';
import { openStore } from '../support/test-store.ts';
import { frameOf } from '../support/work-frames.ts';

const scratch = await openScratch();
const { options, sql } = await openStore(scratch);
const session = new PostgresStore({ ...options, copyRowsMin: 1 }).openReadSession();
scratch.onEnd(() => session.close());
const DOCUMENT_BYTES = 100_000;
const BYTES_MAX = 1_000_000;
const COUNT = 100;
await sql.query(`
  INSERT INTO goverse_objects (object_id, object_type, data, version)
  SELECT 'o' || n, 'T', jsonb_build_object('x', repeat('a', ${DOCUMENT_BYTES})), n FROM generate_series(1, ${COUNT}) n`);
const ids = Array.from({ length: COUNT }, (_, n) => `o${n + 1}`);

const bytesOf = (frames: readonly WorkFrame[]): number =>
  frames.flatMap(({ entries }) => entries).reduce((sum, { document }) => sum + (document?.length ?? 0), 0);

async function run(frames: readonly WorkFrame[]) {
  const statements: { ids: string[]; bytes: number }[] = [];
  const counted: Pick<ReadSession, 'load'> = {
    load: async (wanted: readonly LoadWanted[], bounds) => {
      const objects = await session.load(wanted, bounds);
      const bytes = objects.reduce((sum, { document }) => sum + (document?.length ?? 0), 0);
      statements.push({ ids: wanted.map(({ id }) => id), bytes });
      return objects;
    },
  };
  const answered: WorkFrame[] = [];
  let heldMax = 0;
  await loadBatch(frames, {
    session: counted as ReadSession,
    reader: new ObjectReader(BYTES_MAX),
    retry: new WriteRetry({
      retryDelayMsMin: 1,
      retryDelayMsMax: 1,
      signal: AbortSignal.timeout(10_000),
      onFailure: (error) => {
        throw error;
      },
      onSuccess: () => undefined,
    }),
    onAnswered: async (some) => {
      heldMax = Math.max(heldMax, bytesOf(frames));
      answered.push(...some);
      for (const { entries } of some) for (const work of entries) work.document = undefined;
    },
  });
  return { statements, answered, heldMax: Math.max(heldMax, bytesOf(frames)) };
}

describe('ordered loads of large objects', () => {
  it('are read and handed over a bounded part at a time, in order', async () => {
    const frames = ids.map((id) => frameOf(load({ id })));
    const { statements, answered, heldMax } = await run(frames);
    expect(Math.max(...statements.map(({ bytes }) => bytes))).toBeLessThanOrEqual(BYTES_MAX);
    expect(heldMax).toBeLessThanOrEqual(BYTES_MAX);
    expect(answered).toEqual(frames.slice(0, answered.length));
    expect(answered.length).toBeGreaterThan(COUNT / 2);
    expect(frames.map(({ entries }) => entries[0]?.line?.version)).toEqual(ids.map((_, n) => n + 1));
  });

  it('of one object are one read, which only those get that want it', async () => {
    const frames = [true, false, true].map((document) => frameOf(load({ id: 'o7', document })));
    const { statements } = await run(frames);
    expect(statements.map((statement) => statement.ids)).toEqual([['o7']]);
    const sizes = frames.map(({ entries }) => entries[0]?.document?.length);
    expect(sizes).toEqual([DOCUMENT_BYTES + 9, undefined, DOCUMENT_BYTES + 9]);
    expect(frames.map(({ entries }) => entries[0]?.line?.outcome)).toEqual(['found', 'found', 'found']);
  });
});
