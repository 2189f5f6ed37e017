/**
 * Saves that are presumed to be newer than what is stored. Goal: where they are, nothing is read; where one is not, nothing of
 * the presumption is left behind and every outcome is that of reading first; and it is then not presumed for a while.
 */
import { describe, expect, it } from 'vitest';
import { Presumption } from '../../src/store/presumption.ts';
import type { WriteSession } from '../../src/store/store.ts';
import type { BatchCommand } from '../../src/worker/batch-command.ts';
import { claim, remove, runBatch, save } from '../support/batch-commands.ts';
import { openScratch } from '../support/scratch.ts';
import { COPY_ROWS_MIN, openStore, type TestStore } from '../support/test-store.ts';

const scratch = await openScratch();
const CLAIM = '0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b';

const LOOK_BEFORE = `
  CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
  CREATE TRIGGER look BEFORE INSERT ON goverse_objects FOR EACH ROW EXECUTE FUNCTION look()`;

/** As an extension may that does not know MERGE. */
const REFUSE_MERGE = `
  CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF current_query() ~ 'MERGE|upsert_at_once' THEN RAISE EXCEPTION 'no MERGE' USING ERRCODE = '0A000'; END IF;
    RETURN NULL; END $$;
  CREATE TRIGGER refuse AFTER INSERT ON goverse_objects FOR EACH ROW EXECUTE FUNCTION refuse()`;

const insertKept = (id: string): string =>
  `INSERT INTO goverse_objects (object_id, object_type, data, kept) VALUES ('${id}', 'T', '{}', 1)`;

const TELL_OF_INSERTS = `
  CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
  CREATE TRIGGER tell AFTER INSERT ON goverse_objects FOR EACH STATEMENT EXECUTE FUNCTION tell()`;

const DROP_KEY = 'ALTER TABLE goverse_objects DROP CONSTRAINT goverse_objects_pkey';

/** Others in the same batch. */
const others = (version: number): BatchCommand[] =>
  ['other-1', 'other-2'].map((id) => save(id, '{}', { version }));
const OTHERS_APPLIED = ['applied', 'applied'];

/** A session, and the names of the statements that went over its connection for the first time. */
async function watched(store: TestStore) {
  const proxy = await scratch.openProxy(store.databaseUrl);
  const seen = new Set<string>();
  proxy.watch = (direction, bytes) => {
    if (direction === 'down') return undefined;
    for (const [name] of bytes.toString('latin1').matchAll(/holdfast-[a-z-]+/g)) seen.add(name);
    return undefined;
  };
  return { session: store.open({ databaseUrl: proxy.url }), seen };
}

/** How many batches are written before it is presumed again. */
function skipped(presumption: Presumption): number {
  let count = 0;
  while (!presumption.ask()) count += 1;
  return count;
}

describe.each([
  ['by arrays', COPY_ROWS_MIN.rows, 'holdfast-upsert-at-once'],
  ['by COPY', COPY_ROWS_MIN.copy, 'holdfast-upsert-staged-objects'],
])('saves %s', (_, copyRowsMin, statement) => {
  it('are written, new and again, without reading what is stored', async () => {
    const store = await openStore(scratch, { copyRowsMin });
    const { session, seen } = await watched(store);
    for (const version of [1, 2]) {
      const item = save('a', `{"n":${version}}`, { version, nextRcseq: version === 1 ? 7 : 3 });
      const { outcomes } = await runBatch(session, [item, ...others(version)], true);
      expect(outcomes.get(item)).toEqual({ outcome: 'applied', version, epoch: 0 });
    }
    expect(seen).toContain(statement);
    expect(seen).not.toContain('holdfast-read-states');
    expect(
      await store.rows(`SELECT data->>'n', version, next_rcseq FROM goverse_objects WHERE object_id = 'a'`),
    ).toEqual([['2', '2', '7']]);
  });

  it.each<[what: string, before: BatchCommand[], command: BatchCommand, outcome: object, stored: unknown[]]>([
    [
      'an older version',
      [save('a', '{"n":9}', { version: 9 })],
      save('a', '{"n":2}', { version: 2 }),
      { outcome: 'superseded', version: 9, epoch: 0 },
      [['9']],
    ],
    [
      'the same version with other content',
      [save('a', '{"n":9}', { version: 9 })],
      save('a', '{"n":2}', { version: 9 }),
      { outcome: 'conflict', version: 9, epoch: 0 },
      [['9']],
    ],
    [
      'the same version once more',
      [save('a', '{"n":9}', { version: 9 })],
      save('a', '{"n":9}', { version: 9 }),
      { outcome: 'applied', version: 9, epoch: 0 },
      [['9']],
    ],
    [
      'an epoch that is over',
      [claim('a', CLAIM, 5)],
      save('a', '{"n":2}', { version: 2 }),
      { outcome: 'fenced', version: 0, epoch: 5 },
      [],
    ],
    [
      'an object that was deleted later',
      [save('a', '{"n":1}', { version: 1 }), remove('a', { version: 9 })],
      save('a', '{"n":2}', { version: 2 }),
      { outcome: 'superseded', version: 9, epoch: 0 },
      [],
    ],
    [
      'an object that was deleted before',
      [save('a', '{"n":1}', { version: 1 }), remove('a', { version: 2 })],
      save('a', '{"n":3}', { version: 3 }),
      { outcome: 'applied', version: 3, epoch: 0 },
      [['3']],
    ],
  ])('are decided about if one of them is of %s', async (_what, before, command, outcome, stored) => {
    const store = await openStore(scratch, { copyRowsMin });
    const { session, seen } = await watched(store);
    for (const item of before) await runBatch(session, [item]);
    const batch = [command, ...others(1)];
    const { outcomes } = await runBatch(session, batch, true);
    expect(seen).toContain(statement);
    expect(outcomes.get(command)).toEqual(outcome);
    expect(batch.slice(1).map((item) => outcomes.get(item)?.outcome)).toEqual(OTHERS_APPLIED);
    expect(await store.rows(`SELECT data->>'n' FROM goverse_objects WHERE object_id = 'a'`)).toEqual(stored);
    // A live object has no tombstone.
    expect(
      await store.rows('SELECT object_id FROM holdfast_tombstones JOIN goverse_objects USING (object_id)'),
    ).toEqual([]);
  });

  it('leave nothing of themselves behind if one of them is not, which a trigger would have changed', async () => {
    const store = await openStore(scratch, { copyRowsMin });
    await store.sql.query(`
      CREATE FUNCTION mark() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN NEW.data := NEW.data || '{"marked":true}'; RETURN NEW; END $$;
      CREATE TRIGGER mark BEFORE UPDATE ON goverse_objects FOR EACH ROW EXECUTE FUNCTION mark()`);
    const stale = save('a', '{}', { version: 1 });
    const { session, seen } = await watched(store);
    await runBatch(session, [save('a', '{}', { version: 9 }), ...others(1)]);
    const batch = [...others(2), stale];
    const { outcomes } = await runBatch(session, batch, true);
    expect(seen).toContain(statement);
    // Had they stayed written, they would be compared with what the trigger has made of them.
    expect(batch.map((item) => outcomes.get(item)?.outcome)).toEqual([...OTHERS_APPLIED, 'superseded']);
  });

  it('are written beside commands that are decided about', async () => {
    const store = await openStore(scratch, { copyRowsMin });
    await runBatch(store.session, [save('gone', '{"n":1}', { version: 1 })]);
    const batch = [
      save('a', '{"n":1}', { version: 1 }),
      remove('gone', { version: 2 }),
      save('twice', '{"n":1}', { version: 1 }),
      save('twice', '{"n":2}', { version: 2 }),
      ...others(1),
    ];
    const { outcomes } = await runBatch(store.session, batch, true);
    expect(batch.slice(0, 4).map((item) => outcomes.get(item)?.outcome)).toEqual([
      'applied',
      'applied',
      'superseded',
      'applied',
    ]);
    expect(
      await store.rows(
        `SELECT object_id, version FROM goverse_objects WHERE object_id NOT LIKE 'other-%' ORDER BY object_id`,
      ),
    ).toEqual([
      ['a', '1'],
      ['twice', '2'],
    ]);
  });

  it.each([
    ['a trigger runs before each insert', LOOK_BEFORE],
    ['a trigger runs after each INSERT statement', TELL_OF_INSERTS],
    ['a rule goes with each insert', 'CREATE RULE also AS ON INSERT TO goverse_objects DO ALSO NOTHING'],
    ['policies decide what may be inserted', 'ALTER TABLE goverse_objects ENABLE ROW LEVEL SECURITY'],
    ['the key is of more than the id', `${DROP_KEY}, ADD PRIMARY KEY (object_id, object_type)`],
    ['the key is checked at the end', `${DROP_KEY}, ADD PRIMARY KEY (object_id) DEFERRABLE`],
    ['another table inherits from it', 'CREATE TABLE of_old () INHERITS (goverse_objects)'],
  ])('are not presumed to be newer where %s', async (_name, change) => {
    const store = await openStore(scratch, { copyRowsMin });
    await store.sql.query(change);
    const { session, seen } = await watched(store);
    for (const version of [1, 2]) {
      const { outcomes } = await runBatch(session, others(version), true);
      expect([...outcomes.values()].map(({ outcome }) => outcome)).toEqual(OTHERS_APPLIED);
    }
    expect(seen).not.toContain(statement);
  });

  it('use up defaults, and meet what only a new row needs, only where there was no row', async () => {
    const store = await openStore(scratch, { copyRowsMin });
    await store.sql.query(`
      ALTER TABLE goverse_objects ADD COLUMN serial SERIAL, ADD COLUMN kept INT NOT NULL DEFAULT 1;
      ALTER TABLE goverse_objects ALTER COLUMN kept DROP DEFAULT`);
    await store.sql.query(insertKept('other-1'));
    await store.sql.query(insertKept('other-2'));
    const { session, seen } = await watched(store);
    for (const version of [1, 2, 3]) await runBatch(session, others(version), true);
    expect(seen).toContain(statement);
    expect(seen).not.toContain('holdfast-read-states');
    await store.sql.query(insertKept('other-3'));
    expect(await store.rows('SELECT object_id, serial, version FROM goverse_objects ORDER BY 1')).toEqual([
      ['other-1', 1, '3'],
      ['other-2', 2, '3'],
      ['other-3', 3, '0'],
    ]);
  });

  it('are written by statements for inserts and updates apart, once PostgreSQL has refused one for both', async () => {
    const store = await openStore(scratch, { copyRowsMin });
    await store.sql.query(REFUSE_MERGE);
    const { session, seen } = await watched(store);
    await expect(runBatch(session, others(1), true)).rejects.toMatchObject({ sqlstate: '0A000' });
    expect(seen).toContain(statement);
    const { outcomes } = await runBatch(session, others(1), true);
    expect([...outcomes.values()].map(({ outcome }) => outcome)).toEqual(OTHERS_APPLIED);
  });

  it('are isolated as others are if the database refuses one', async () => {
    const store = await openStore(scratch, { copyRowsMin });
    await store.sql.query(`ALTER TABLE goverse_objects ADD CONSTRAINT polite CHECK (NOT data ? 'rude')`);
    const rude = save('rude', '{"rude":1}', { version: 1 });
    const batch = [save('a', '{"n":1}', { version: 1 }), rude, ...others(1)];
    const { outcomes } = await runBatch(store.session, batch, true);
    expect(batch.map((item) => outcomes.get(item)?.outcome)).toEqual([
      'applied',
      'rejected',
      ...OTHERS_APPLIED,
    ]);
  });
});

/** Writes a small batch that is presumed, and returns the session. */
async function expectNoProcedure(store: TestStore): Promise<WriteSession> {
  const { session, seen } = await watched(store);
  const { outcomes } = await runBatch(session, others(1), true);
  expect([...outcomes.values()].map(({ outcome }) => outcome)).toEqual(OTHERS_APPLIED);
  expect(seen).toContain('holdfast-upsert-objects');
  expect(seen).not.toContain('holdfast-upsert-at-once');
  return session;
}

it('small batches do without a procedure where the user may not make one', async () => {
  const store = await openStore(scratch);
  const database = new URL(scratch.databaseUrl).pathname.slice(1);
  const [[current] = []] = await store.rows('SELECT current_schema()::text');
  const schema = String(current);
  const role = `${database}_no_temp`;
  await store.sql.query(`REVOKE TEMPORARY ON DATABASE "${database}" FROM PUBLIC`);
  await store.sql.query(`CREATE ROLE "${role}"`);
  try {
    await store.sql.query(`GRANT USAGE ON SCHEMA "${schema}" TO "${role}"`);
    await store.sql.query(
      `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "${schema}" TO "${role}"`,
    );
    const url = new URL(store.databaseUrl);
    url.searchParams.set('options', `${url.searchParams.get('options')} -c role=${role}`);
    const session = await expectNoProcedure({ ...store, databaseUrl: url.href });
    await session.close();
  } finally {
    await store.sql.query(`DROP OWNED BY "${role}"`);
    await store.sql.query(`DROP ROLE "${role}"`);
  }
});

it('small batches do without a procedure where an event trigger forbids to make one', async () => {
  const store = await openStore(scratch);
  await store.sql.query(`
    CREATE FUNCTION forbid() RETURNS event_trigger LANGUAGE plpgsql AS
      $$ BEGIN RAISE EXCEPTION 'not by applications'; END $$;
    CREATE EVENT TRIGGER forbid ON ddl_command_start WHEN TAG IN ('CREATE PROCEDURE') EXECUTE FUNCTION forbid()`);
  try {
    await expectNoProcedure(store);
  } finally {
    await store.sql.query('DROP EVENT TRIGGER forbid');
  }
});

describe('the presumption', () => {
  it('is made until it fails, then not for a while, longer each time, up to 256 batches', () => {
    const presumption = new Presumption();
    expect(skipped(presumption)).toBe(0);
    const pauses = Array.from({ length: 7 }, () => {
      presumption.failed();
      return skipped(presumption);
    });
    expect(pauses).toEqual([8, 16, 32, 64, 128, 256, 256]);
  });

  it('is made as before once it has held again', () => {
    const presumption = new Presumption();
    presumption.failed();
    presumption.failed();
    skipped(presumption);
    presumption.confirmed();
    presumption.failed();
    expect(skipped(presumption)).toBe(8);
  });
});
