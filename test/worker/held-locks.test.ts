/**
 * Locks that others hold, on slots and on rows. Goal: only what needs them waits, in its order, and the worker stays ready.
 */
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { eventually, within } from '../support/eventually.ts';
import { inTransaction, openScratch } from '../support/scratch.ts';
import { idsOfPartition, load, save, TestPublisher } from '../support/test-publisher.ts';
import { startWorker, type TestWorker } from '../support/test-worker.ts';

const scratch = await openScratch();
const LIMIT_MS = 10_000;
const SLOTS = `SELECT pg_advisory_xact_lock(1752132708, slot) FROM generate_series(0, 63) AS slot`;

let worker: TestWorker;
let publisher: TestPublisher;

beforeAll(async () => {
  worker = await startWorker(scratch, { lockTimeoutMs: 100 });
  publisher = await TestPublisher.open(scratch);
});

afterEach(() => {
  expect(worker.fatal).toEqual([]);
  expect(worker.ready).toBe(true);
});

describe('held slots', () => {
  it('hold up only what needs them: the other partitions go on', async () => {
    const [held = ''] = idsOfPartition(0, 1, 'held');
    const waiting = await inTransaction(scratch, async (holder) => {
      await holder.query(`${SLOTS} WHERE slot % 4 = 0`);
      const asking = publisher.request(save({ id: held, version: 1 }));
      for (const partition of [1, 2, 3]) {
        const [free = ''] = idsOfPartition(partition, 1, 'free');
        const reply = await within(LIMIT_MS, 'the others', publisher.request(save({ id: free, version: 1 })));
        expect(reply.lines).toMatchObject([{ outcome: 'applied' }]);
      }
      expect(worker.ready).toBe(true);
      return () => asking;
    });
    expect((await within(LIMIT_MS, 'the held one', waiting())).lines).toMatchObject([{ outcome: 'applied' }]);
  });

  it('in the middle of a frame leave its order and its answers as they should be', async () => {
    const ids = idsOfPartition(0, 24, 'middle');
    const asked = await inTransaction(scratch, async (holder) => {
      // Half of the 16 slots of this partition.
      await holder.query(`${SLOTS} WHERE slot % 8 = 0`);
      const first = publisher.request(ids.map((id) => save({ id, version: 1, ifVersion: 0 })).join(''));
      const second = publisher.request(ids.map((id) => save({ id, version: 2, ifVersion: 1 })).join(''));
      const third = publisher.request(
        ids
          .map((id, n) => load({ id, claim: `0190a1b2-c3d4-7e5f-8a9b-${String(n).padStart(12, '0')}` }))
          .join(''),
      );
      // Those of free slots are written, though their frames are set aside for the others.
      await eventually(async () => {
        const { rows } = await scratch.sql.query('SELECT FROM goverse_objects WHERE epoch = 1');
        return rows.length > 0;
      });
      return { first, second, third };
    });
    const outcome = 'applied';
    expect((await within(LIMIT_MS, 'the first', asked.first)).lines).toEqual(
      ids.map((id) => ({ id, outcome, version: 1, epoch: 0 })),
    );
    expect((await within(LIMIT_MS, 'the second', asked.second)).lines).toEqual(
      ids.map((id) => ({ id, outcome, version: 2, epoch: 0 })),
    );
    const { lines: claimed } = await within(LIMIT_MS, 'the third', asked.third);
    expect(claimed.filter(({ id }) => id !== undefined)).toMatchObject(
      ids.map((id) => ({ id, outcome: 'found', version: 2, epoch: 1 })),
    );
  });
});

describe('a held row', () => {
  it('of a writer who bypasses Holdfast holds up its partition, and no other', async () => {
    const [held = ''] = idsOfPartition(0, 1, 'row');
    await publisher.request(save({ id: held, version: 1 }));
    const waiting = await inTransaction(scratch, async (holder) => {
      await holder.query('SELECT FROM goverse_objects WHERE object_id = $1 FOR UPDATE', [held]);
      const asking = publisher.request(save({ id: held, version: 2 }) + load({ id: held }));
      const frames = Array.from({ length: 9 }, (_, n) => {
        const [other = ''] = idsOfPartition(1 + (n % 3), 1, `beside-${n}`);
        return publisher.request(save({ id: other, version: 1 }));
      });
      for (const { lines: answers } of await within(LIMIT_MS, 'the others', Promise.all(frames))) {
        expect(answers).toMatchObject([{ outcome: 'applied' }]);
      }
      return () => asking;
    });
    expect((await within(LIMIT_MS, 'the held one', waiting())).lines).toMatchObject([
      { outcome: 'applied' },
      { outcome: 'found', version: 2 },
      {},
    ]);
  });
});
