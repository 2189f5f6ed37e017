/** Notes of frames that processes may die of. Goal: what one process does, however often, is never taken for a death of others. */
import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { PostgresStore } from '../../src/store/postgres-store.ts';
import type { SuspectNote } from '../../src/store/store.ts';
import { openScratch } from '../support/scratch.ts';
import { openStore } from '../support/test-store.ts';

const scratch = await openScratch();
const { options, sql } = await openStore(scratch);
const session = new PostgresStore({ ...options, copyRowsMin: 100 }).openSuspectSession();
scratch.onEnd(() => session.close());

const noteOf = (frameId: string, ownerId: string): SuspectNote => ({
  frameId,
  ownerId,
  beginningId: randomUUID(),
  worker: 'a worker',
});

describe('a suspect', () => {
  it('counts other processes, each once, and never the one that asks', async () => {
    const frameId = randomUUID();
    const [first, second] = [randomUUID(), randomUUID()];
    expect(await session.beginSuspect(noteOf(frameId, first))).toBe(0);
    expect(await session.beginSuspect(noteOf(frameId, first))).toBe(0);
    expect(await session.beginSuspect(noteOf(frameId, second))).toBe(1);
    expect(await session.beginSuspect(noteOf(randomUUID(), second))).toBe(0);
    expect(await session.beginSuspect(noteOf(frameId, randomUUID()))).toBe(2);
  });

  it('that is noted again, because the answer was lost, is one note', async () => {
    const note = noteOf(randomUUID(), randomUUID());
    await session.beginSuspect(note);
    await session.beginSuspect(note);
    const { rows } = await sql.query('SELECT FROM holdfast_suspects WHERE frame_id = $1', [note.frameId]);
    expect(rows).toHaveLength(1);
  });

  it('that is taken back leaves what others noted; that is survived leaves nothing', async () => {
    const frameId = randomUUID();
    const own = noteOf(frameId, randomUUID());
    await session.beginSuspect(noteOf(frameId, randomUUID()));
    await session.beginSuspect(own);
    await session.withdrawSuspects([own.beginningId]);
    expect(await session.beginSuspect(noteOf(frameId, randomUUID()))).toBe(1);
    await session.endSuspect(frameId);
    expect(await session.beginSuspect(noteOf(frameId, randomUUID()))).toBe(0);
  });

  it('is forgotten after a day', async () => {
    const frameId = randomUUID();
    await session.beginSuspect(noteOf(frameId, randomUUID()));
    await sql.query(
      `UPDATE holdfast_suspects SET begun_at = now() - interval '25 hours' WHERE frame_id = $1`,
      [frameId],
    );
    expect(await session.beginSuspect(noteOf(frameId, randomUUID()))).toBe(0);
  });
});
