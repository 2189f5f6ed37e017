/**
 * Frames that worker processes die of. Goal: they become dead letters, and no other frame, however often it came back
 * with them or for reasons of its own.
 */
import { randomUUID } from 'node:crypto';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { lockSlotOf, shardOf } from '../../src/contract/partition.ts';
import { Cli, PATIENCE_MS } from '../cli/cli-process.ts';
import { eventually, within } from '../support/eventually.ts';
import { Letters } from '../support/letters.ts';
import { inTransaction, openScratch, PARTITIONS } from '../support/scratch.ts';
import { idsOfPartition, save, TestPublisher } from '../support/test-publisher.ts';
import { startWorker } from '../support/test-worker.ts';

const scratch = await openScratch();
const cli = Cli.for(scratch);
const HOOK = new URL('./deadly-frames-hook.mjs', import.meta.url).href;
const PARTITION = 1;
const LIMIT_MS = 10_000;

let publisher: TestPublisher;
let letters: Letters;

beforeAll(async () => {
  await scratch.migrate();
  await scratch.declare();
  publisher = await TestPublisher.open(scratch);
  letters = await Letters.open(scratch);
  await scratch.sql.query(`
    CREATE TABLE written (number SERIAL, object_id TEXT);
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      INSERT INTO written (object_id) VALUES (NEW.object_id); RETURN NULL; END $$;
    CREATE TRIGGER note AFTER INSERT OR UPDATE ON goverse_objects FOR EACH ROW EXECUTE FUNCTION note();
    CREATE TABLE begun (backend INTEGER DEFAULT pg_backend_pid(), transaction BIGINT DEFAULT txid_current());
    CREATE FUNCTION note_begun() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      INSERT INTO begun DEFAULT VALUES; RETURN NULL; END $$;
    CREATE TRIGGER note AFTER INSERT ON holdfast_suspects FOR EACH ROW EXECUTE FUNCTION note_begun()`);
});

beforeEach(async () => {
  letters.all.splice(0);
  await scratch.sql.query('TRUNCATE goverse_objects, written, begun');
});

const writtenIds = async (): Promise<string[]> => {
  const { rows } = await scratch.sql.query<{ id: string }>(
    'SELECT object_id AS id FROM written ORDER BY number',
  );
  return rows.map(({ id }) => id);
};

const suspects = async (): Promise<number> =>
  (await scratch.sql.query('SELECT FROM holdfast_suspects')).rows.length;

/** How often a suspect was begun for the first time, or again after it was survived. */
const begun = async (): Promise<number> => (await scratch.sql.query('SELECT FROM begun')).rows.length;

/** Runs workers, each after the death of the one before, until `done`; returns how many died. */
async function runDyingWorkers(done: () => Promise<boolean>): Promise<number> {
  let deaths = 0;
  for (;;) {
    const worker = cli.start(['worker'], {
      env: { NODE_OPTIONS: `--import ${HOOK}`, HOLDFAST_PREFETCH_FRAMES: '16' },
    });
    const survived = await Promise.race([
      worker.ended.then(() => false),
      eventually(async () => worker.child.signalCode !== null || (await done()), PATIENCE_MS).then(
        () => worker.child.signalCode === null,
      ),
    ]);
    if (survived) {
      worker.signal('SIGTERM');
      expect((await worker.ended).code).toBe(0);
      return deaths;
    }
    await worker.ended;
    expect(worker.child.signalCode).toBe('SIGKILL');
    deaths += 1;
  }
}

describe('a frame that workers die of', () => {
  it.each([
    ['one', [5], 9],
    ['two neighbours', [5, 6], 12],
    ['the first and one behind those sent ahead', [0, 20], 18],
  ])(
    '(%s) becomes a letter, and its neighbours are written in their order',
    async (_name, deadly, deathsMax) => {
      const ids = idsOfPartition(PARTITION, 30, 'neighbour').toSorted();
      const elsewhere = idsOfPartition(2, 10, 'elsewhere').toSorted();
      const frames = ids.map((id, n) => save({ id, version: 1 }, deadly.includes(n) ? '{"deadly":1}' : '{}'));
      const messageIds = frames.map(() => randomUUID());
      for (const [n, frame] of frames.entries()) {
        await publisher.send(frame, { messageId: messageIds[n] as string, partition: PARTITION });
      }
      for (const id of elsewhere) await publisher.send(save({ id, version: 1 }));
      const innocent = ids.filter((_, n) => !deadly.includes(n));
      const deaths = await runDyingWorkers(
        async () =>
          letters.all.length >= deadly.length &&
          (await writtenIds()).length >= innocent.length + elsewhere.length,
      );
      expect(deaths).toBeLessThanOrEqual(deathsMax);
      expect(letters.all.map(({ body }) => body)).toEqual(deadly.map((n) => frames[n]));
      for (const [index, { headers }] of letters.all.entries()) {
        expect(headers).toMatchObject({
          'holdfast-code': 'DELIVERY_LIMIT',
          'holdfast-message-id': messageIds[deadly[index] as number],
          'holdfast-partition': `${PARTITIONS}.${PARTITION}`,
        });
        expect(headers['holdfast-attempts']).toBeGreaterThan(5);
      }
      const written = await writtenIds();
      expect(written.filter((id) => ids.includes(id))).toEqual(innocent);
      expect(written.filter((id) => elsewhere.includes(id)).toSorted()).toEqual(elsewhere);
      expect(await suspects()).toBe(0);
    },
  );
});

/** As hand-overs, lost connections and renewed channels do it. */
async function returnAll(times: number): Promise<void> {
  for (let time = 0; time < times; time += 1) {
    const channel = await scratch.broker.createChannel();
    await new Promise<void>((resolve) => {
      const queue = `${scratch.names.prefix}.commands.${PARTITIONS}.${PARTITION}`;
      void channel.consume(queue, () => resolve());
    });
    await channel.close();
  }
}

describe('a frame that came back for other reasons', () => {
  it('is written as ever, however often that was', async () => {
    const ids = idsOfPartition(PARTITION, 100, 'returned').toSorted();
    for (const id of ids) await publisher.send(save({ id, version: 1 }));
    await returnAll(30);
    const worker = await startWorker(scratch);
    await eventually(async () => (await writtenIds()).length === ids.length);
    expect(await writtenIds()).toEqual(ids);
    expect(letters.all).toEqual([]);
    expect(await eventually(async () => (await suspects()) === 0)).toBe(true);
    // Many at a time and on one connection: returned by a server that fails again and again, they must not take longer than it
    // takes to fail.
    const { rows } = await scratch.sql.query(
      'SELECT count(DISTINCT backend)::int AS backends, count(DISTINCT transaction)::int AS groups FROM begun',
    );
    expect(rows).toEqual([{ backends: 1, groups: expect.any(Number) }]);
    expect(rows[0].groups).toBeLessThan(ids.length / 4);
    expect(worker.fatal).toEqual([]);
    await worker.worker.stop();
  });

  it('and waits for a lock that somebody holds is no death, and holds up nobody else for long', async () => {
    const [id = ''] = idsOfPartition(PARTITION, 1, 'held');
    await publisher.send(save({ id, version: 1 }));
    await returnAll(6);
    await scratch.sql.query('TRUNCATE begun');
    const worker = await inTransaction(scratch, async (holder) => {
      await holder.query('SELECT pg_advisory_xact_lock(1752132708, $1)', [lockSlotOf(shardOf(id))]);
      const started = await startWorker(scratch);
      // Tried and set aside more often than a frame may be died of.
      await eventually(async () => (await begun()) > 5);
      const [other = ''] = idsOfPartition(2, 1, 'other');
      const reply = publisher.request(save({ id: other, version: 1 }));
      expect((await within(LIMIT_MS, 'the other', reply)).lines).toMatchObject([{ outcome: 'applied' }]);
      return started;
    });
    await eventually(async () => (await writtenIds()).includes(id));
    expect(letters.all).toEqual([]);
    await worker.worker.stop();
  });

  it('and waits for a row that somebody holds does not hold up those in front of it', async () => {
    const [free = '', held = ''] = idsOfPartition(PARTITION, 2, 'row').toSorted();
    await scratch.sql.query(
      `INSERT INTO goverse_objects (object_id, object_type, data, version) VALUES ($1, 'Player', '{}', 1)`,
      [held],
    );
    for (const id of [free, held]) await publisher.send(save({ id, version: 2 }));
    await returnAll(6);
    const worker = await inTransaction(scratch, async (holder) => {
      await holder.query('SELECT FROM goverse_objects WHERE object_id = $1 FOR UPDATE', [held]);
      const started = await startWorker(scratch, { lockTimeoutMs: 100 });
      // Together they do not get through, so each is tried by itself.
      await eventually(async () => (await writtenIds()).includes(free));
      expect(await started.metric('holdfast_frame_returns_max')).toBe(6);
      return started;
    });
    await eventually(async () => (await writtenIds()).filter((id) => id === held).length === 2);
    await eventually(async () => (await worker.metric('holdfast_frame_returns_max')) === 0);
    expect(letters.all).toEqual([]);
    await worker.worker.stop();
  });

  it('and waits for a table does not hold up the others, as far as they do not need it', async () => {
    const [refused = ''] = idsOfPartition(PARTITION, 1, 'refused');
    const ids = idsOfPartition(PARTITION, 25, 'refused').map((name) =>
      save({ id: name, version: 1 }, '{"rude":1}'),
    );
    await scratch.sql.query(
      `ALTER TABLE goverse_objects ADD CONSTRAINT polite CHECK (NOT data ? 'rude') NOT VALID`,
    );
    const messageId = randomUUID();
    await publisher.send(ids.join(''), { messageId, partition: PARTITION });
    await returnAll(6);
    const worker = await startWorker(scratch);
    // Twenty refusals by one constraint with nothing else written: the suspect waits for somebody to write.
    await eventually(() => !worker.ready);
    const [other = ''] = idsOfPartition(2, 1, 'proof');
    const reply = publisher.request(save({ id: other, version: 1 }));
    expect((await within(LIMIT_MS, 'the proof', reply)).lines).toMatchObject([{ outcome: 'applied' }]);
    expect(await letters.of(messageId, ids.length)).toHaveLength(ids.length);
    expect(letters.all[0]?.headers).toMatchObject({
      'holdfast-code': 'UNSTORABLE',
      'holdfast-object-id': refused,
    });
    await worker.worker.stop();
    await scratch.sql.query('ALTER TABLE goverse_objects DROP CONSTRAINT polite');
  });

  it('and is held by worker after worker while the database refuses everything is no death of theirs', async () => {
    const [id = ''] = idsOfPartition(PARTITION, 1, 'patient');
    await publisher.send(save({ id, version: 1 }));
    await returnAll(6);
    await scratch.sql.query('ALTER TABLE goverse_objects RENAME COLUMN next_rcseq TO away');
    for (let stop = 0; stop < 4; stop += 1) {
      await scratch.sql.query('TRUNCATE begun');
      const { worker } = await startWorker(scratch, { lockTimeoutMs: 50, drainTimeoutMs: 100 });
      await eventually(async () => (await begun()) > 0);
      await eventually(() => !worker.health.ready);
      expect(await eventually(async () => (await suspects()) === 0)).toBe(true);
      expect(await worker.stop()).toBe(false);
    }
    await scratch.sql.query('ALTER TABLE goverse_objects RENAME COLUMN away TO next_rcseq');
    const { worker } = await startWorker(scratch);
    await eventually(async () => (await writtenIds()).includes(id));
    expect(letters.all).toEqual([]);
    await worker.stop();
  });

  it('and is cut off by a stop in the midst of its transaction is no death', async () => {
    const [id = ''] = idsOfPartition(PARTITION, 1, 'cut');
    await publisher.send(save({ id, version: 1 }));
    await returnAll(6);
    await scratch.sql.query(`
      CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); RETURN NEW; END $$;
      CREATE TRIGGER dawdle BEFORE INSERT ON goverse_objects FOR EACH ROW EXECUTE FUNCTION dawdle();
      TRUNCATE begun`);
    const cut = await startWorker(scratch, { lockTimeoutMs: 50, drainTimeoutMs: 100 });
    await eventually(async () => (await begun()) > 0);
    expect(await suspects()).toBe(1);
    expect(await cut.worker.stop()).toBe(false);
    expect(await suspects()).toBe(0);
    await scratch.sql.query(`
      SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database();
      DROP TRIGGER dawdle ON goverse_objects`);
    const { worker } = await startWorker(scratch);
    await eventually(async () => (await writtenIds()).includes(id));
    await worker.stop();
  });

  it('and whose letter is held up holds up no other partition, not even with one writer, and is no death', async () => {
    const { deadLetters } = scratch.names;
    const broken = '{"delete":{}}\n';
    const messageId = randomUUID();
    await publisher.send(broken, { messageId, partition: PARTITION });
    await returnAll(6);
    const [behind = ''] = idsOfPartition(PARTITION, 1, 'behind');
    await publisher.send(save({ id: behind, version: 1 }));
    const channel = await scratch.broker.createChannel();
    await channel.unbindQueue(deadLetters, deadLetters, '');
    await channel.unbindQueue(letters.queue, deadLetters, '');
    const worker = await startWorker(scratch, { writers: 1 }, { declare: false });
    await eventually(() => !worker.ready);
    const [other = ''] = idsOfPartition(2, 1, 'beside');
    const reply = publisher.request(save({ id: other, version: 1 }));
    expect((await within(LIMIT_MS, 'the other', reply)).lines).toMatchObject([{ outcome: 'applied' }]);
    expect(await eventually(async () => (await suspects()) === 0)).toBe(true);
    expect(await writtenIds()).not.toContain(behind);
    // First the one that is looked into: the letter may come between the two.
    await channel.bindQueue(letters.queue, deadLetters, '');
    await channel.bindQueue(deadLetters, deadLetters, '');
    await channel.close();
    await eventually(async () => (await writtenIds()).includes(behind));
    expect(await letters.of(messageId, 1)).toHaveLength(1);
    await worker.worker.stop();
  });
});
