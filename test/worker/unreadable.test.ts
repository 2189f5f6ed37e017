/**
 * Objects that PostgreSQL cannot render, as a damaged row or a value too large would be: a policy that raises stands in for
 * them, since reading is where it strikes. Goal: one answer each, and everybody else is served.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { within } from '../support/eventually.ts';
import { openScratch } from '../support/scratch.ts';
import { idsOfPartition, lines, load, save, TestPublisher } from '../support/test-publisher.ts';
import { startWorker, type TestWorker } from '../support/test-worker.ts';

const scratch = await openScratch();
const LIMIT_MS = 5_000;
const IDS = idsOfPartition(0, 60, 'readable');
/** In the middle of them, by the order of bytes too. */
const BAD = IDS[30] ?? '';

let worker: TestWorker;
let publisher: TestPublisher;

beforeAll(async () => {
  await scratch.migrate();
  const role = `${scratch.id}-reader`;
  await scratch.sql.query(`
    CREATE ROLE "${role}" LOGIN PASSWORD 'reader';
    GRANT ALL ON ALL TABLES IN SCHEMA public TO "${role}";
    CREATE FUNCTION readable(id TEXT) RETURNS BOOLEAN LANGUAGE plpgsql AS $$ BEGIN
      IF id = '${BAD}' THEN RAISE EXCEPTION 'invalid memory alloc request size' USING ERRCODE = 'data_corrupted'; END IF;
      RETURN true; END $$`);
  scratch.onEnd(async () => {
    await scratch.sql.query(`DROP OWNED BY "${role}"`);
    await scratch.sql.query(`DROP ROLE "${role}"`);
  });
  const url = new URL(scratch.databaseUrl);
  url.username = role;
  url.password = 'reader';
  worker = await startWorker(scratch, { databaseUrl: url.href }, { migrate: false });
  publisher = await TestPublisher.open(scratch);
  await publisher.request(IDS.map((id) => save({ id, version: 1 }, '{"a":1}')).join(''));
  await scratch.sql.query(`
    CREATE POLICY damaged ON goverse_objects USING (readable(object_id)) WITH CHECK (true);
    ALTER TABLE goverse_objects ENABLE ROW LEVEL SECURITY`);
});

const EXPECTED = IDS.map((id) =>
  id === BAD ? { id, outcome: 'rejected', code: 'UNSTORABLE' } : { id, outcome: 'found', version: 1 },
);

describe('an object that cannot be read', () => {
  it.each([
    ['an ordered load', {}],
    ['a committed load', { loads: true }],
  ] as const)('is rejected by %s, and its neighbours are found', async (_name, options) => {
    const frame = IDS.map((id) => load({ id })).join('');
    const { lines: answers } = await within(LIMIT_MS, 'the reply', publisher.request(frame, options));
    expect(answers.filter(({ outcome }) => outcome !== undefined)).toMatchObject(EXPECTED);
  });

  it('does not keep a list from being answered, nor any other', async () => {
    const listing = [1, 2, 3].map(() =>
      publisher.request(lines({ list: { type: 'T', documents: true } }), { loads: true }),
    );
    const others = [1, 2, 3].map(() => publisher.request(load({ id: IDS[0] ?? '' }), { loads: true }));
    const replies = await within(LIMIT_MS, 'the others', Promise.all(others));
    for (const { lines: answers } of replies) expect(answers[0]).toMatchObject({ outcome: 'found' });
    for (const { lines: answers } of await within(LIMIT_MS, 'the lists', Promise.all(listing))) {
      expect(answers.length).toBeGreaterThan(0);
    }
    expect(worker.ready).toBe(true);
  });

  it('does not keep its partition from being written', async () => {
    const [other = ''] = idsOfPartition(0, 1, 'other');
    const saving = publisher.request(save({ id: other, version: 1 }) + load({ id: other }));
    expect((await within(LIMIT_MS, 'the reply', saving)).lines[0]).toMatchObject({ outcome: 'applied' });
    expect(worker.fatal).toEqual([]);
  });
});
