/**
 * Connections that break at every stage of a transaction: before a statement reaches the server, behind it, and by the
 * server's own hand. Goal: it is always said that the connection is lost, the next call works, and written again the
 * batch comes out as if nothing had happened.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { StoreError } from '../../src/store/store-error.ts';
import type { BatchCommand } from '../../src/worker/batch-command.ts';
import { claim, remove, runBatch, save } from '../support/batch-commands.ts';
import { eventually, Gate, within } from '../support/eventually.ts';
import { openScratch } from '../support/scratch.ts';
import type { TcpProxy } from '../support/tcp-proxy.ts';
import { COPY_ROWS_MIN, openStore, type TestStore } from '../support/test-store.ts';

const scratch = await openScratch();
const CLAIM = '0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b';
/** More than any transaction here has messages. */
const STAGES_MAX = 60;

async function storeErrorOf(action: Promise<unknown>): Promise<StoreError> {
  const error: unknown = await action.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(StoreError);
  return error as StoreError;
}

/** Ends all sessions of the session under test, from outside. */
async function terminate(store: TestStore): Promise<void> {
  await store.sql.query(
    `SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity
     WHERE datname = current_database() AND application_name = 'holdfast tested'`,
  );
}

/** Needs every kind of statement there is: a question, an insert, an update, a delete, a claim, a revival. */
const PREPARED = [
  save('equal', '{"a":1}', { version: 5 }),
  save('old', '{}', { version: 1 }),
  save('doomed', '{}', { version: 1 }),
  save('back', '{}', { version: 1 }),
];
const BATCH = [
  // Asks whether it is the same; then claimed, so that it is fenced if written before: hence its epoch.
  save('equal', '{"a":1.0}', { version: 5, epoch: 1 }),
  save('old', '{"n":2}', { version: 2 }),
  save('new', '{"n":1}', { version: 1 }),
  remove('doomed', { version: 2 }),
  save('back', '{"n":3}', { version: 3 }),
  claim('equal', CLAIM),
];
const WRITTEN = [
  ['row', 'back', '3', '0'],
  ['row', 'equal', '5', '1'],
  ['row', 'new', '1', '0'],
  ['row', 'old', '2', '0'],
  ['tombstone', 'doomed', '2', '0'],
];

/** Nothing that must be decided about. */
const SAVES = [
  save('equal', '{}', { version: 6 }),
  save('old', '{"n":2}', { version: 2 }),
  save('new', '{"n":1}', { version: 1 }),
];
const SAVES_WRITTEN = [
  ['row', 'doomed', '1', '0'],
  ['row', 'equal', '6', '0'],
  ['row', 'new', '1', '0'],
  ['row', 'old', '2', '0'],
  ['tombstone', 'back', '2', '0'],
];
const EVERY_KIND = {
  batch: BATCH,
  outcomes: ['applied', 'applied', 'applied', 'applied', 'applied', 'claimed'],
  written: WRITTEN,
  stagesMin: 10,
};
const SAVES_ONLY = {
  batch: SAVES,
  outcomes: ['applied', 'applied', 'applied'],
  written: SAVES_WRITTEN,
  stagesMin: 3,
};

const everything = (store: TestStore) =>
  store.rows(`SELECT 'row', object_id, version, epoch FROM goverse_objects
              UNION ALL SELECT 'tombstone', object_id, version, epoch FROM holdfast_tombstones ORDER BY 1, 2`);

type Loss = (proxy: TcpProxy, store: TestStore) => Promise<void>;

const LOSSES: readonly (readonly [string, Loss])[] = [
  ['the network breaks before a message reaches the server', async (proxy) => proxy.cut()],
  [
    'the network breaks behind a message, before its answer',
    async (proxy) => {
      // The message goes out when this returns; what the server says to it in a few milliseconds is lost.
      proxy.silence('down');
      void delay(3).then(() => proxy.heal());
    },
  ],
  ['the server ends the session', (_proxy, store) => terminate(store)],
];

describe.each([
  ['a transaction with rows sent as rows', 'rows', false, EVERY_KIND],
  ['a transaction with rows sent as copy', 'copy', false, EVERY_KIND],
  ['a transaction of rows that presumes what is not so', 'rows', true, EVERY_KIND],
  ['a transaction of copy that presumes what is not so', 'copy', true, EVERY_KIND],
  ['a transaction that is presumed as a whole, in one statement', 'rows', true, SAVES_ONLY],
  ['a transaction of copy that is presumed as a whole', 'copy', true, SAVES_ONLY],
] as const)('%s', (_, path, presumes, { batch, outcomes: expected, written, stagesMin }) => {
  it.each(LOSSES)('survives that %s, at each of its stages', async (_name, lose) => {
    const store = await openStore(scratch, { copyRowsMin: COPY_ROWS_MIN[path] });
    const proxy = await scratch.openProxy(store.databaseUrl);
    let stage = 0;
    for (let lost = true; lost; stage += 1) {
      // Once that has failed, a session presumes nothing for a while.
      const session = store.open({ databaseUrl: proxy.url });
      await store.sql.query(
        'DELETE FROM goverse_objects; DELETE FROM holdfast_tombstones; DELETE FROM holdfast_claims',
      );
      await runBatch(session, PREPARED);
      await runBatch(session, [remove('back', { version: 2 })]);
      let messages = 0;
      lost = false;
      proxy.watch = (direction) => {
        if (direction === 'down') return undefined;
        messages += 1;
        if (messages <= stage || lost) return undefined;
        lost = true;
        return lose(proxy, store);
      };
      const writing = within(5_000, `stage ${stage}`, runBatch(session, batch, presumes));
      if (stage >= STAGES_MAX) throw new Error('the transaction never ends');
      const error = await writing.then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      proxy.watch = undefined;
      if (lost) expect(error, `stage ${stage}`).toMatchObject({ name: 'StoreError', connectionLost: true });
      else expect(error).toBeUndefined();
      if (error instanceof StoreError) expect(error.failure).toBe('systemic');
      const { outcomes } = await runBatch(session, batch, presumes);
      expect(batch.map((item: BatchCommand) => outcomes.get(item)?.outcome)).toEqual(expected);
      expect(await everything(store), `stage ${stage}`).toEqual(written);
      await session.close();
    }
    expect(stage).toBeGreaterThan(stagesMin);
  });
});

describe('a session', () => {
  it('notices between two calls that it was ended, and the next call works at once', async () => {
    const store = await openStore(scratch);
    await runBatch(store.session, [save('a', '{}', { version: 1 })]);
    await terminate(store);
    await expect(store.session.load([{ id: 'a', document: true }])).resolves.toMatchObject([{ version: 1 }]);
    await terminate(store);
    await runBatch(store.session, [save('a', '{}', { version: 2 })]);
    expect(await everything(store)).toEqual([['row', 'a', '2', '0']]);
  });

  it('says that there is no server, and works as soon as there is one', async () => {
    const store = await openStore(scratch);
    const proxy = await scratch.openProxy(store.databaseUrl);
    const session = store.open({ databaseUrl: proxy.url, connectTimeoutMs: 200 });
    proxy.silence();
    const error = await storeErrorOf(session.probe());
    expect(error).toMatchObject({ code: 'STORE_UNAVAILABLE', failure: 'systemic', connectionLost: true });
    expect(error.sqlstate).toBeUndefined();
    proxy.heal();
    await expect(session.probe()).resolves.toBeUndefined();
  });

  it('stopped in the middle is ended by the server, which frees its slots for others', async () => {
    const store = await openStore(scratch);
    const proxy = await scratch.openProxy(store.databaseUrl);
    const stopped = store.open({ databaseUrl: proxy.url, idleInTransactionTimeoutMs: 500 });
    const successor = store.open();
    await successor.probe();
    const before = [save('a', '{"n":1}', { version: 1 })];
    await runBatch(stopped, [save('b', '{}', { version: 1 })]);
    const reached = new Gate();
    const goOn = new Gate();
    proxy.watch = (direction, bytes) => {
      if (direction === 'down' || !bytes.includes('holdfast-insert-objects')) return undefined;
      reached.open();
      return goOn.opened;
    };
    const writing = runBatch(stopped, before).catch((thrown: unknown) => thrown);
    await reached.opened;
    const late = [save('a', '{"n":2}', { version: 2 })];
    expect((await runBatch(successor, late)).heldSlots.size).toBe(1);
    await within(
      5_000,
      'freeing the slots',
      (async () => {
        while ((await runBatch(successor, late)).heldSlots.size > 0);
      })(),
    );
    proxy.watch = undefined;
    goOn.open();
    expect(await writing).toMatchObject({ failure: 'transient', sqlstate: '25P03', connectionLost: true });
    const { outcomes } = await runBatch(stopped, before);
    expect([...outcomes.values()].map(({ outcome }) => outcome)).toEqual(['superseded']);
  });

  it('is closed within seconds even if the server is silent', async () => {
    const store = await openStore(scratch);
    const proxy = await scratch.openProxy(store.databaseUrl);
    const session = store.open({ databaseUrl: proxy.url });
    await session.probe();
    proxy.silence();
    await within(5_000, 'closing', session.close());
  });

  it('may be closed twice, unused, and while it is writing', async () => {
    const store = await openStore(scratch);
    await store.open().close();
    await store.sql.query('BEGIN');
    await store.sql.query('LOCK TABLE goverse_objects IN ACCESS EXCLUSIVE MODE');
    const session = store.open();
    const writing = storeErrorOf(runBatch(session, [save('a', '{}', { version: 1 })]));
    await within(5_000, 'closing', Promise.all([session.close(), session.close()]));
    await within(5_000, 'the write', writing);
    await store.sql.query('ROLLBACK');
    expect(await everything(store)).toEqual([]);
  });
});

describe('timeouts', () => {
  it.each([
    ['lock_timeout', { lockTimeoutMs: 50 }, '55P03', false],
    ['lock_timeout, in one statement,', { lockTimeoutMs: 50 }, '55P03', true],
    ['statement_timeout', { statementTimeoutMs: 100 }, '57014', false],
    ['statement_timeout, in one statement,', { statementTimeoutMs: 100 }, '57014', true],
  ])(
    '%s says that somebody else holds what is needed; nothing was written or is held',
    async (_name, limits, sqlstate, presumes) => {
      const store = await openStore(scratch);
      const session = store.open(limits);
      await runBatch(session, [save('a', '{}', { version: 1 })]);
      await store.sql.query('BEGIN');
      await store.sql.query(`SELECT FROM goverse_objects WHERE object_id = 'a' FOR UPDATE`);
      const batch = [save('a', '{}', { version: 2 }), save('b', '{}', { version: 1 })];
      expect(await storeErrorOf(runBatch(session, batch, presumes))).toMatchObject({
        code: 'STORE_CONTENDED',
        failure: 'contended',
        sqlstate,
        connectionLost: false,
        retryable: true,
      });
      await store.sql.query('COMMIT');
      expect(await everything(store)).toEqual([['row', 'a', '1', '0']]);
      // The server says what is wrong before it lets go.
      await eventually(async () => {
        const held = await store.rows(
          `SELECT FROM pg_locks WHERE locktype = 'advisory'
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
        );
        return held.length === 0;
      });
      await runBatch(session, batch, presumes);
      expect(await everything(store)).toHaveLength(2);
    },
  );
});
