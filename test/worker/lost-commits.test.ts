/**
 * Commits whose answer is lost: nobody knows whether they happened. Goal: what is told is never more certain than that.
 */
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { eventually, within } from '../support/eventually.ts';
import { openScratch } from '../support/scratch.ts';
import type { TcpProxy } from '../support/tcp-proxy.ts';
import { idsOfPartition, save, TestPublisher } from '../support/test-publisher.ts';
import { startWorker, type TestWorker } from '../support/test-worker.ts';

const scratch = await openScratch();
const LIMIT_MS = 10_000;

let proxy: TcpProxy;
let worker: TestWorker;
let publisher: TestPublisher;

beforeAll(async () => {
  proxy = await scratch.openProxy(scratch.databaseUrl);
  worker = await startWorker(scratch, { databaseUrl: proxy.url });
  publisher = await TestPublisher.open(scratch);
});

afterEach(() => expect(worker.fatal).toEqual([]));

describe('a commit whose answer is lost', () => {
  it('is told as perhaps applied where what follows it makes that a conflict', async () => {
    const [id = ''] = idsOfPartition(0, 1, 'ambiguous');
    proxy.watch = (direction, bytes) => {
      if (direction === 'down' || !bytes.includes('COMMIT')) return undefined;
      proxy.watch = undefined;
      // It goes out; its answer does not come back.
      proxy.silence('down');
      return undefined;
    };
    const asking = publisher.request(
      save({ id, version: 1, ifVersion: 0 }) + save({ id, version: 2, ifVersion: 1 }),
    );
    await eventually(async () => {
      const { rows } = await scratch.sql.query('SELECT FROM goverse_objects WHERE object_id = $1', [id]);
      return rows.length === 1;
    });
    proxy.heal();
    expect((await within(LIMIT_MS, 'the reply', asking)).lines).toEqual([
      { id, outcome: 'conflict', version: 2, epoch: 0, redelivered: true },
      { id, outcome: 'applied', version: 2, epoch: 0 },
    ]);
  });

  it('is told so as well if its locks were still held when it was tried again', async () => {
    const [id = ''] = idsOfPartition(0, 1, 'slow');
    await scratch.sql.query(`
      CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        PERFORM pg_advisory_xact_lock(7); RETURN NULL; END $$;
      CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON goverse_objects
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow();`);
    // Longer than lock_timeout would be waited for: the slow transaction is one that is let be.
    await scratch.sql.query(`ALTER FUNCTION slow() SET lock_timeout = 0`);
    const gate = await scratch.connect();
    await gate.query('SELECT pg_advisory_lock(7)');
    const asking = publisher.request(
      save({ id, version: 1, ifVersion: 0 }) + save({ id, version: 2, ifVersion: 1 }),
    );
    await eventually(async () => {
      const { rows } = await gate.query(
        `SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 7 AND NOT granted`,
      );
      return rows.length > 0;
    });
    const setAside = await worker.metric('holdfast_batches_total');
    proxy.cut();
    await eventually(async () => (await worker.metric('holdfast_batches_total')) > setAside);
    await gate.query('SELECT pg_advisory_unlock(7)');
    expect((await within(LIMIT_MS, 'the reply', asking)).lines).toEqual([
      { id, outcome: 'conflict', version: 2, epoch: 0, redelivered: true },
      { id, outcome: 'applied', version: 2, epoch: 0 },
    ]);
    await scratch.sql.query('DROP TRIGGER slow ON goverse_objects');
  });
});
