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

/** Of one alone. */
const begin = async (note: SuspectNote): Promise<number | undefined> =>
  (await session.beginSuspects([note]))[0];

describe('a suspect', () => {
  it('counts other processes, each once, and never the one that asks', async () => {
    const frameId = randomUUID();
    const [first, second] = [randomUUID(), randomUUID()];
    expect(await begin(noteOf(frameId, first))).toBe(0);
    expect(await begin(noteOf(frameId, first))).toBe(0);
    expect(await begin(noteOf(frameId, second))).toBe(1);
    expect(await begin(noteOf(randomUUID(), second))).toBe(0);
    expect(await begin(noteOf(frameId, randomUUID()))).toBe(2);
  });

  it('that is noted again, because the answer was lost, is one note', async () => {
    const note = noteOf(randomUUID(), randomUUID());
    await begin(note);
    await begin(note);
    const { rows } = await sql.query('SELECT FROM holdfast_suspects WHERE frame_id = $1', [note.frameId]);
    expect(rows).toHaveLength(1);
  });

  it('that is taken back leaves what others noted; that is survived leaves nothing', async () => {
    const frameId = randomUUID();
    const own = noteOf(frameId, randomUUID());
    await begin(noteOf(frameId, randomUUID()));
    await begin(own);
    await session.withdrawSuspects([own.beginningId]);
    expect(await begin(noteOf(frameId, randomUUID()))).toBe(1);
    await session.endSuspects([frameId]);
    expect(await begin(noteOf(frameId, randomUUID()))).toBe(0);
  });

  it('among several is written down if no process ended over it or one in front of it, and each gets its own answer', async () => {
    const frameIds = [randomUUID(), randomUUID(), randomUUID()];
    const [, known = ''] = frameIds;
    await begin(noteOf(known, randomUUID()));
    await begin(noteOf(known, randomUUID()));
    const notes = frameIds.map((frameId) => noteOf(frameId, randomUUID()));
    expect(await session.beginSuspects(notes)).toEqual([0, 2, 0]);
    const { rows } = await sql.query(
      'SELECT beginning_id AS id FROM holdfast_suspects WHERE beginning_id = ANY($1)',
      [notes.map(({ beginningId }) => beginningId)],
    );
    expect(rows).toEqual([{ id: notes[0]?.beginningId }]);
    await session.endSuspects(frameIds);
    expect(await session.beginSuspects(notes)).toEqual([0, 0, 0]);
  });

  it('that one message carries twice is two notes', async () => {
    const frameId = randomUUID();
    const ownerId = randomUUID();
    const notes = [noteOf(frameId, ownerId), noteOf(frameId, ownerId)];
    expect(await session.beginSuspects(notes)).toEqual([0, 0]);
    expect(await begin(noteOf(frameId, randomUUID()))).toBe(1);
  });

  it('is forgotten after a day', async () => {
    const frameId = randomUUID();
    await begin(noteOf(frameId, randomUUID()));
    await sql.query(
      `UPDATE holdfast_suspects SET begun_at = now() - interval '25 hours' WHERE frame_id = $1`,
      [frameId],
    );
    expect(await begin(noteOf(frameId, randomUUID()))).toBe(0);
  });
});
