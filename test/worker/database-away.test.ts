/**
 * The database goes away in every way it can: sessions ended, table gone, network cut or silent, locks held. Goal: no
 * letter for it, not ready while it lasts, everything applied afterwards, and ready again by itself.
 */
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { eventually, within } from '../support/eventually.ts';
import { Letters } from '../support/letters.ts';
import { inTransaction, openScratch } from '../support/scratch.ts';
import type { TcpProxy } from '../support/tcp-proxy.ts';
import { idsOfPartition, lines, load, type Reply, save, TestPublisher } from '../support/test-publisher.ts';
import { startWorker, type TestWorker } from '../support/test-worker.ts';

const scratch = await openScratch();
const LIMIT_MS = 10_000;
const IDS = [0, 1, 2, 3].flatMap((partition) => idsOfPartition(partition, 4, 'object'));

let proxy: TcpProxy;
let worker: TestWorker;
let publisher: TestPublisher;
let letters: Letters;

beforeAll(async () => {
  proxy = await scratch.openProxy(scratch.databaseUrl);
  worker = await startWorker(scratch, {
    databaseUrl: proxy.url,
    lockTimeoutMs: 200,
    statementTimeoutMs: 300,
    connectTimeoutMs: 500,
  });
  publisher = await TestPublisher.open(scratch);
  letters = await Letters.open(scratch);
});

afterEach(() => {
  expect(letters.all).toEqual([]);
  expect(worker.fatal).toEqual([]);
});

let version = 0;

/** Saves all objects once, each in a frame of its own; resolves with the replies. */
function saveAll(): Promise<Reply[]> {
  version += 1;
  return Promise.all(IDS.map((id) => publisher.request(save({ id, version }, `{"v":${version}}`))));
}

async function expectApplied(saving: Promise<Reply[]>): Promise<void> {
  const replies = await within(LIMIT_MS, 'the replies', saving);
  for (const { lines: answers } of replies) expect(answers).toMatchObject([{ outcome: 'applied' }]);
  await eventually(() => worker.ready);
  expect(await worker.metric('holdfast_store_available')).toBe(1);
}

async function expectAway(): Promise<void> {
  await eventually(() => !worker.ready);
  expect(worker.worker.health.live).toBe(true);
  expect(worker.worker.health.report().conditions['store']?.ok).toBe(false);
  expect(await worker.metric('holdfast_store_available')).toBe(0);
}

const terminateAll = () =>
  scratch.sql.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE datname = current_database() AND application_name LIKE 'holdfast%'`,
  );

describe('the worker', () => {
  it('waits for a table that is gone, and goes on when it is back', async () => {
    await expectApplied(saveAll());
    await scratch.sql.query('ALTER TABLE goverse_objects RENAME TO hidden');
    const saving = saveAll();
    const loading = publisher.request(load({ id: IDS[0] ?? '' }), { loads: true });
    await expectAway();
    await scratch.sql.query('ALTER TABLE hidden RENAME TO goverse_objects');
    await expectApplied(saving);
    expect((await loading).lines[0]).toMatchObject({ outcome: 'found' });
  });

  it('waits for a database that is read-only', async () => {
    const { rows } = await scratch.sql.query<{ name: string }>('SELECT current_database() AS name');
    const setting = `ALTER DATABASE "${rows[0]?.name}"`;
    await scratch.sql.query(`${setting} SET default_transaction_read_only = on`);
    await terminateAll();
    const saving = saveAll();
    await expectAway();
    await scratch.sql.query('SET default_transaction_read_only = off');
    await scratch.sql.query(`${setting} RESET default_transaction_read_only`);
    // Sessions keep what they began with.
    await terminateAll();
    await expectApplied(saving);
  });

  it('goes on with new sessions when all of its own are ended, under load, again and again', async () => {
    const savings: Promise<Reply[]>[] = [];
    for (let time = 0; time < 5; time += 1) {
      savings.push(saveAll(), saveAll());
      await terminateAll();
    }
    const replies = (await within(LIMIT_MS, 'the replies', Promise.all(savings))).flat();
    const outcomes = new Set(replies.flatMap(({ lines: answers }) => answers.map(({ outcome }) => outcome)));
    expect([...outcomes].filter((outcome) => outcome !== 'applied' && outcome !== 'superseded')).toEqual([]);
    await expectApplied(saveAll());
  });

  it('is not ready while nothing listens, and ready soon after', async () => {
    proxy.silence();
    proxy.cut();
    const saving = saveAll();
    await expectAway();
    proxy.heal();
    await expectApplied(saving);
  });

  it('gives a silent server up, and goes on with one that answers', async () => {
    proxy.silence();
    const saving = saveAll();
    await expectAway();
    proxy.heal();
    await expectApplied(saving);
  });
});

describe('commands that are bad while the database is away', () => {
  it('are rejected with the frame they are in, once it is back', async () => {
    await scratch.sql.query('ALTER TABLE goverse_objects RENAME TO hidden');
    const [id = ''] = idsOfPartition(3, 1, 'mixed');
    const asking = publisher.request(save({ id, version: 1 }) + lines('{"delete":{}}'), { partition: 3 });
    await expectAway();
    await scratch.sql.query('ALTER TABLE hidden RENAME TO goverse_objects');
    expect((await within(LIMIT_MS, 'the reply', asking)).lines.map(({ outcome }) => outcome)).toEqual([
      'applied',
      'rejected',
    ]);
    expect(letters.all.splice(0).map(({ headers }) => headers['holdfast-code'])).toEqual(['INVALID_COMMAND']);
    await eventually(() => worker.ready);
  });
});

describe('a committed load', () => {
  it('whose session alone was ended does not leave the worker not ready for ever', async () => {
    await expectApplied(saveAll());
    const loading = await inTransaction(scratch, async (locker) => {
      await locker.query('LOCK TABLE goverse_objects IN ACCESS EXCLUSIVE MODE');
      const asking = publisher.request(load({ id: IDS[0] ?? '' }), { loads: true });
      await eventually(async () => {
        const { rows } = await locker.query(`SELECT FROM pg_locks WHERE NOT granted`);
        return rows.length > 0;
      });
      await terminateAll();
      return () => asking;
    });
    expect((await within(LIMIT_MS, 'the load', loading())).lines[0]).toMatchObject({ outcome: 'found' });
    await eventually(() => worker.ready, 3_000);
  });
});
