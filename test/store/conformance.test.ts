/**
 * One suite over every store: the fake that tests use, PostgreSQL by arrays, and PostgreSQL by COPY. What holds here
 * is what the worker counts on.
 */
import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { PostgresStore } from '../../src/store/postgres-store.ts';
import { PURGED_KINDS, type ReadSession, type Store, type WriteSession } from '../../src/store/store.ts';
import type { BatchCommand } from '../../src/worker/batch-command.ts';
import { claim, remove, runBatch, save } from '../support/batch-commands.ts';
import {
  describeCommand,
  isAllowed,
  Model,
  REFUSED,
  randomBatches,
  visible,
} from '../support/command-model.ts';
import { FakeStore } from '../support/fake-store.ts';
import { openScratch } from '../support/scratch.ts';

const scratch = await openScratch();
await scratch.migrate();
await scratch.sql.query(
  `ALTER TABLE goverse_objects ADD CONSTRAINT refuses CHECK (data::text NOT LIKE '%${REFUSED}%')`,
);

const stores: [name: string, open: () => Store][] = [
  ['the fake store', () => new FakeStore({ refuses: (row) => row.body.includes(REFUSED) })],
  ['PostgreSQL by arrays', () => new PostgresStore({ ...scratch.connectionOptions(), copyRowsMin: 50_000 })],
  ['PostgreSQL by COPY', () => new PostgresStore({ ...scratch.connectionOptions(), copyRowsMin: 1 })],
];
const ways = stores.flatMap(([name, open]): [name: string, open: () => Store, presumes: boolean][] => [
  [name, open, false],
  [`${name}, presuming that saves are newer`, open, true],
]);

describe.each(ways)('%s', (name, open, presumes) => {
  const writeBatch = (session: WriteSession, commands: readonly BatchCommand[]) =>
    runBatch(session, commands, presumes);
  const store = open();
  const sessions: (WriteSession | ReadSession)[] = [];
  const writing = (): WriteSession => {
    const session = store.openWriteSession();
    sessions.push(session);
    return session;
  };
  const session = writing();
  afterAll(() => Promise.all(sessions.map((one) => one.close())));

  /** An id that no other test uses. */
  const freshId = (): string => `${name}/${randomUUID()}`;
  const load = async (id: string) => (await session.load([{ id, document: true }]))[0];
  const outcomesOf = async (...commands: Parameters<typeof runBatch>[1]) => {
    const { outcomes } = await writeBatch(session, commands);
    return commands.map((item) => outcomes.get(item)?.outcome);
  };

  it('gives a saved object back with version, epoch, type and call sequence', async () => {
    const id = freshId();
    await writeBatch(session, [save(id, '{"a": 1}', { version: 3, epoch: 2, type: 'Room', nextRcseq: 7 })]);
    expect(await load(id)).toEqual({
      id,
      live: true,
      version: 3,
      epoch: 2,
      type: 'Room',
      nextRcseq: 7,
      document: '{"a": 1}',
    });
  });

  it('knows nothing of an object that was never stored', async () => {
    const id = freshId();
    expect(await load(id)).toMatchObject({ id, live: false, version: 0, epoch: 0, document: undefined });
  });

  it('leaves the document out where it is not wanted', async () => {
    const id = freshId();
    await writeBatch(session, [save(id, '{"a": 1}', { version: 1 })]);
    const [found] = await session.load([{ id, document: false }]);
    expect(found).toMatchObject({ live: true, version: 1, document: undefined });
  });

  it('answers loads in the order of the question, repeated ids included', async () => {
    const [one, other] = [freshId(), freshId()];
    await writeBatch(session, [save(one, '{}', { version: 1 }), save(other, '{}', { version: 2 })]);
    const found = await session.load([other, one, other].map((id) => ({ id, document: false })));
    expect(found.map(({ version }) => version)).toEqual([2, 1, 2]);
  });

  it('keeps version and epoch of a deleted object, and forgets its call sequence', async () => {
    const id = freshId();
    await writeBatch(session, [save(id, '{}', { version: 1, epoch: 4, nextRcseq: 9 })]);
    await writeBatch(session, [remove(id, { version: 5, epoch: 4 })]);
    expect(await load(id)).toMatchObject({ live: false, version: 5, epoch: 4 });
    expect(await outcomesOf(save(id, '{}', { version: 4, epoch: 4 }))).toEqual(['superseded']);
    await writeBatch(session, [save(id, '{}', { version: 6, epoch: 4, nextRcseq: 2 })]);
    expect(await load(id)).toMatchObject({ live: true, version: 6, nextRcseq: 2 });
  });

  it('never lowers a call sequence while the object lives', async () => {
    const id = freshId();
    await writeBatch(session, [save(id, '{}', { version: 1, nextRcseq: 9 })]);
    await writeBatch(session, [save(id, '{}', { version: 2, nextRcseq: 3 }), save(id, '{}', { version: 3 })]);
    expect(await load(id)).toMatchObject({ version: 3, nextRcseq: 9 });
  });

  it('tells the same content from another at an equal version, however it is written', async () => {
    const id = freshId();
    await writeBatch(session, [save(id, '{"a": 1, "b": [2]}', { version: 1 })]);
    expect(
      await outcomesOf(
        save(id, '{"b":[2],"a":1.0}', { version: 1 }),
        save(id, '{"b":[3],"a":1}', { version: 1 }),
        save(id, '{"b":[2],"a":1}', { version: 1, type: 'Other' }),
        remove(id, { version: 1 }),
      ),
    ).toEqual(['applied', 'conflict', 'conflict', 'conflict']);
  });

  it('tells contents apart inside one batch as well', async () => {
    const id = freshId();
    expect(
      await outcomesOf(
        save(id, '{"a":1}', { version: 1 }),
        save(id, '{ "a": 1 }', { version: 1 }),
        save(id, '{"a":2}', { version: 1 }),
        save(id, '{"a":3}', { version: 2 }),
        save(id, '{ "a":3 }', { version: 2 }),
      ),
    ).toEqual(['applied', 'applied', 'conflict', 'applied', 'applied']);
  });

  it('gives a claim its epoch, and the same one again after a later claim', async () => {
    const id = freshId();
    const [first, second] = [randomUUID(), randomUUID()];
    const claimed = async (claimId: string) => {
      const item = claim(id, claimId);
      return (await writeBatch(session, [item])).outcomes.get(item);
    };
    await writeBatch(session, [save(id, '{}', { version: 1 })]);
    expect(await claimed(first)).toEqual({ outcome: 'claimed', epoch: 1 });
    expect(await claimed(second)).toEqual({ outcome: 'claimed', epoch: 2 });
    expect(await claimed(first)).toEqual({ outcome: 'claimed', epoch: 1 });
    expect(await load(id)).toMatchObject({ live: true, version: 1, epoch: 2 });
    expect(await outcomesOf(save(id, '{}', { version: 2, epoch: 1 }))).toEqual(['fenced']);
  });

  it('claims an object that was never stored, which then begins at version 1', async () => {
    const id = freshId();
    const item = claim(id, randomUUID(), 40);
    const { outcomes } = await writeBatch(session, [item, save(id, '{}', { version: 1, epoch: 40 })]);
    expect(outcomes.get(item)).toEqual({ outcome: 'claimed', epoch: 40 });
    expect(await load(id)).toMatchObject({ live: true, version: 1, epoch: 40 });
  });

  it('forgets tombstones and claims that are old enough', async () => {
    const id = freshId();
    await writeBatch(session, [
      save(id, '{}', { version: 1 }),
      remove(id, { version: 2 }),
      claim(id, randomUUID()),
    ]);
    expect(await load(id)).toMatchObject({ live: false, version: 2, epoch: 1 });
    for (const kind of PURGED_KINDS) while ((await session.purge(kind, 0, 10)).rows > 0);
    expect(await load(id)).toMatchObject({ live: false, version: 0, epoch: 0 });
  });

  it('lists live objects of one type in byte order of their ids, page by page', async () => {
    const type = randomUUID();
    const ids = ['b', 'B', 'a', 'é', '😀', '~', 'aa'].map((id) => freshId().slice(0, 3) + type + id);
    await writeBatch(
      session,
      ids.map((id, i) => save(id, `{"i": ${i}}`, { version: i + 1, type })),
    );
    await writeBatch(session, [remove(ids[5] ?? '', { version: 100 })]);
    const expected = ids
      .filter((_, i) => i !== 5)
      .toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    const first = await session.list({ type, after: undefined, limit: 4, documents: true });
    expect(first.map(({ id }) => id)).toEqual(expected.slice(0, 4));
    expect(first[0]?.document).toMatch(/^\{"i": \d\}$/);
    const rest = await session.list({ type, after: expected[3], limit: 4, documents: false });
    expect(rest.map(({ id }) => id)).toEqual(expected.slice(4));
    expect(rest[0]?.document).toBeUndefined();
    // At least one, and then as many as there is room for.
    const bounded = { type, after: undefined, limit: 4, documents: true };
    expect(await session.list({ ...bounded, storedBytesMax: 1 })).toEqual(first.slice(0, 1));
    expect(await session.list({ ...bounded, storedBytesMax: 1_000_000 })).toEqual(first);
    expect(await session.list({ ...bounded, documents: false, storedBytesMax: 1 })).toHaveLength(4);
  });

  it('reads nothing for nothing', async () => {
    expect(await session.load([])).toEqual([]);
    expect(await session.list({ type: randomUUID(), after: undefined, limit: 1, documents: false })).toEqual(
      [],
    );
  });

  it('leaves the state that random commands leave one by one, whatever is refused among them', async () => {
    let run = 0;
    // Where something is to be presumed, most objects must have one command, and each batch a session that still trusts.
    const ids = presumes ? Array.from({ length: 20 }, (_, n) => `object-${n}`) : ['one', 'other'];
    // The ids must be the same while a counterexample shrinks, and new in each run.
    await fc.assert(
      fc.asyncProperty(randomBatches(ids), async (batches) => {
        run += 1;
        const prefix = `${freshId()}/${run}/`;
        const model = new Model();
        for (const batch of batches) {
          const commands = batch.map((item) => renamed(item, prefix));
          const own = presumes ? store.openWriteSession() : session;
          const { outcomes } = await writeBatch(own, commands);
          if (own !== session) await own.close();
          for (const item of commands) {
            const expected = model.apply(item);
            if (!isAllowed(outcomes.get(item), expected)) {
              throw new Error(`${describeCommand(item)}: ${JSON.stringify([outcomes.get(item), expected])}`);
            }
          }
          for (const [id, object] of model.objects) {
            const { live, version, epoch, type, document, nextRcseq } = visible(object);
            const found = await load(id);
            expect(found).toMatchObject({ live, version, epoch });
            if (!live) continue;
            expect(found).toMatchObject({ type, nextRcseq });
            expect(isDeepStrictEqual(JSON.parse(found?.document ?? ''), JSON.parse(document))).toBe(true);
          }
        }
      }),
      { numRuns: 150 },
    );
  });

  it('writes batches of thousands with every kind of change in them', async () => {
    const ids = Array.from({ length: 1_500 }, freshId);
    const first = await outcomesOf(...ids.map((id, i) => save(id, `{"i":${i}}`, { version: 1 })));
    expect(new Set(first)).toEqual(new Set(['applied']));
    const commands = ids.map((id, i) => {
      if (i % 3 === 0) return remove(id, { version: 2 });
      return save(id, `{"i":${i},"again":true}`, { version: i % 3 === 1 ? 2 : 1 });
    });
    const second = await outcomesOf(...commands);
    expect(second.map((outcome, i) => [i % 3, outcome]).filter(([k]) => k === 2)).toEqual(
      Array.from({ length: 500 }, () => [2, 'conflict']),
    );
    const loaded = await session.load(ids.map((id) => ({ id, document: true })));
    expect(loaded.filter(({ live }) => live)).toHaveLength(1_000);
    expect(loaded[1]).toMatchObject({ version: 2, document: expect.stringContaining('again') });
    expect(loaded[2]).toMatchObject({ version: 1, document: expect.not.stringContaining('again') });
  });
});

/** The same command about an object of this run. */
function renamed(item: BatchCommand, prefix: string): BatchCommand {
  const id = `${prefix}${item.command.id}`;
  const command = { ...item.command, id };
  return {
    ...item,
    command,
    ...(item.row === undefined ? {} : { row: { ...item.row, id } }),
  } as BatchCommand;
}
