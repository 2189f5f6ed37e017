/** Rows that PostgreSQL refuses, seen from the wire. Goal: one letter each with the reason, the rest written, nothing stuck. */
import { randomUUID } from 'node:crypto';
import { afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { eventually, within } from '../support/eventually.ts';
import { Letters } from '../support/letters.ts';
import { openScratch } from '../support/scratch.ts';
import { idsOfPartition, load, remove, save, TestPublisher } from '../support/test-publisher.ts';
import { startWorker, type TestWorker } from '../support/test-worker.ts';

const scratch = await openScratch();
const LIMIT_MS = 5_000;
let worker: TestWorker;
let publisher: TestPublisher;
let letters: Letters;

beforeAll(async () => {
  worker = await startWorker(scratch, { copyRowsMin: 50 });
  publisher = await TestPublisher.open(scratch);
  letters = await Letters.open(scratch);
  await scratch.sql.query(`
    ALTER TABLE goverse_objects ADD CONSTRAINT polite CHECK (NOT data ? 'rude');
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF OLD.object_id LIKE 'eternal%' THEN RAISE EXCEPTION '% is eternal', OLD.object_id; END IF;
      RETURN OLD; END $$;
    CREATE TRIGGER refuse BEFORE DELETE ON goverse_objects FOR EACH ROW EXECUTE FUNCTION refuse()`);
});

afterEach(() => {
  expect(worker.fatal).toEqual([]);
  expect(worker.ready).toBe(true);
});

const RUDE = '{"rude":"my secret"}';

describe.each([
  ['few', 10],
  ['so many that they go by COPY', 120],
])('of %s commands in one frame', (stem, count) => {
  it('those that a constraint refuses are rejected UNSTORABLE, and the others applied', async () => {
    const ids = idsOfPartition(0, count, `refused ${stem}`);
    const rude = new Set([1, 4, count - 1]);
    const messageId = randomUUID();
    const frame = ids.map((id, n) => save({ id, version: 1 }, rude.has(n) ? RUDE : `{"n":${n}}`));
    const { lines } = await within(LIMIT_MS, 'the reply', publisher.request(frame.join(''), { messageId }));
    expect(lines.map(({ outcome, code }) => code ?? outcome)).toEqual(
      ids.map((_, n) => (rude.has(n) ? 'UNSTORABLE' : 'applied')),
    );
    const made = await letters.of(messageId, rude.size);
    expect(made.map(({ body }) => body)).toEqual(frame.filter((_, n) => rude.has(n)));
    for (const { headers } of made) {
      expect(headers).toMatchObject({
        'holdfast-code': 'UNSTORABLE',
        'holdfast-sqlstate': '23514',
        'holdfast-constraint': 'polite',
      });
      expect(headers['holdfast-attempts']).toBeGreaterThan(1);
      expect(headers['holdfast-message']).not.toContain('secret');
    }
    expect(JSON.stringify(worker.log)).not.toContain('my secret');
    const { rows } = await scratch.sql.query('SELECT FROM goverse_objects WHERE object_id = ANY($1)', [ids]);
    expect(rows).toHaveLength(count - rude.size);
  });
});

describe('a refused command', () => {
  it('leaves the state before it, and what follows it goes on from there', async () => {
    const [id = ''] = idsOfPartition(1, 1, 'goes on');
    const { lines } = await publisher.request(
      save({ id, version: 1 }, '{"n":1}') +
        save({ id, version: 2, ifVersion: 1 }, RUDE) +
        save({ id, version: 3, ifVersion: 2 }, '{"n":3}') +
        save({ id, version: 4, ifVersion: 1 }, '{"n":4}') +
        load({ id }),
    );
    expect(lines.map(({ outcome, code }) => code ?? outcome)).toEqual([
      'applied',
      'UNSTORABLE',
      'conflict',
      'applied',
      'found',
      undefined,
    ]);
    expect(lines.at(-1)).toEqual({ n: 4 });
  });

  it('may be a delete that a trigger forbids', async () => {
    const [id = '', other = ''] = idsOfPartition(1, 2, 'eternal');
    await publisher.request(save({ id, version: 1 }));
    const messageId = randomUUID();
    const { lines } = await publisher.request(remove({ id, version: 2 }) + save({ id: other, version: 1 }), {
      messageId,
    });
    expect(lines).toMatchObject([{ code: 'UNSTORABLE' }, { outcome: 'applied' }]);
    const [letter] = await letters.of(messageId);
    expect(letter?.headers).toMatchObject({ 'holdfast-sqlstate': 'P0001', 'holdfast-object-id': id });
    expect((await publisher.request(load({ id }))).lines[0]).toMatchObject({ outcome: 'found', version: 1 });
  });

  it('may be a claim of a row that the table would no longer take', async () => {
    const [id = ''] = idsOfPartition(1, 1, 'old');
    await scratch.sql.query('ALTER TABLE goverse_objects DROP CONSTRAINT polite');
    await publisher.request(save({ id, version: 1 }, RUDE));
    await scratch.sql.query(
      `ALTER TABLE goverse_objects ADD CONSTRAINT polite CHECK (NOT data ? 'rude') NOT VALID`,
    );
    const claiming = publisher.request(load({ id, claim: randomUUID() }));
    expect((await within(LIMIT_MS, 'the reply', claiming)).lines).toMatchObject([
      { id, outcome: 'rejected', code: 'UNSTORABLE' },
    ]);
  });
});

describe('a constraint that nothing can meet', () => {
  it('costs a few letters at most; then the worker waits, not ready, and goes on when it is gone', async () => {
    const lettersBefore = letters.all.length;
    await scratch.sql.query(
      'ALTER TABLE goverse_objects ADD CONSTRAINT impossible CHECK (version < 0) NOT VALID',
    );
    const ids = [0, 1, 2, 3].flatMap((partition) => idsOfPartition(partition, 30, 'impossible'));
    const frames = ids.map((id) => publisher.request(save({ id, version: 1 })));
    await eventually(() => !worker.ready);
    expect(letters.all.length - lettersBefore).toBeLessThan(20);
    await scratch.sql.query('ALTER TABLE goverse_objects DROP CONSTRAINT impossible');
    const replies = await within(LIMIT_MS, 'the replies', Promise.all(frames));
    const applied = replies.filter(({ lines: [line] }) => line?.outcome === 'applied');
    expect(ids.length - applied.length).toBe(letters.all.length - lettersBefore);
    await eventually(() => worker.ready);
  });

  it('of a column that somebody added NOT NULL costs no letter at all', async () => {
    const lettersBefore = letters.all.length;
    await scratch.sql.query(`
      ALTER TABLE goverse_objects DROP CONSTRAINT polite;
      ALTER TABLE goverse_objects ADD COLUMN tenant TEXT NOT NULL DEFAULT 'x';
      ALTER TABLE goverse_objects ALTER COLUMN tenant DROP DEFAULT`);
    const [id = ''] = idsOfPartition(2, 1, 'tenant');
    const saving = publisher.request(save({ id, version: 1 }));
    await eventually(() => !worker.ready);
    await scratch.sql.query('ALTER TABLE goverse_objects DROP COLUMN tenant');
    expect((await within(LIMIT_MS, 'the reply', saving)).lines[0]).toMatchObject({ outcome: 'applied' });
    await eventually(() => worker.ready);
    expect(letters.all.length).toBe(lettersBefore);
  });
});

describe('a row that a trigger swallows without an error', () => {
  it('costs its own command, and does not hold up its partition for ever', async () => {
    await scratch.sql.query(`
      CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF NEW.object_id LIKE 'swallowed%' THEN RETURN NULL; END IF;
        RETURN NEW; END $$;
      CREATE TRIGGER swallow BEFORE INSERT ON goverse_objects FOR EACH ROW EXECUTE FUNCTION swallow()`);
    onTestFinished(async () => void (await scratch.sql.query('DROP TRIGGER swallow ON goverse_objects')));
    const [swallowed = ''] = idsOfPartition(3, 1, 'swallowed');
    const [good = ''] = idsOfPartition(3, 1, 'beside it');
    const bad = publisher.request(save({ id: swallowed, version: 1 }));
    const saving = publisher.request(save({ id: good, version: 1 }));
    expect((await within(LIMIT_MS, 'its neighbour', saving)).lines).toMatchObject([{ outcome: 'applied' }]);
    expect((await within(LIMIT_MS, 'its own reply', bad)).lines).toMatchObject([{ code: 'UNSTORABLE' }]);
  });
});
