/**
 * Rows that the database refuses, by every means that an operator has: constraints, triggers, columns of their own. Goal:
 * the rows at fault are named and nothing else, the others are written, and no document stands in an error.
 */
import { describe, expect, it } from 'vitest';
import { Connection } from '../../src/store/connection.ts';
import { RowsRefusedError, type WriteRequest, type WriteSession } from '../../src/store/store.ts';
import type { StoreError } from '../../src/store/store-error.ts';
import { PostgresWriteSession } from '../../src/store/write-session.ts';
import { type BatchCommand, isSave } from '../../src/worker/batch-command.ts';
import { decideBatch } from '../../src/worker/decide.ts';
import { claim, remove, runBatch, save } from '../support/batch-commands.ts';
import { within } from '../support/eventually.ts';
import { openScratch } from '../support/scratch.ts';
import { COPY_ROWS_MIN, openStore, type TestStore } from '../support/test-store.ts';

const scratch = await openScratch();
const CLAIM = '0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b';
/** Far more than any of these takes; what hangs is a batch that is tried for ever. */
const LIMIT_MS = 3_000;

const CHECK = `ALTER TABLE goverse_objects ADD CONSTRAINT polite CHECK (NOT data ? 'rude')`;

/** Raises on the given event for objects whose id begins with `bad`. */
const raising = (event: string, errcode: string): string => `
  CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF OLD.object_id LIKE 'bad%' OR NEW.object_id LIKE 'bad%' THEN
      RAISE EXCEPTION 'no % of bad ones', tg_op USING ERRCODE = '${errcode}';
    END IF;
    RETURN COALESCE(NEW, OLD); END $$;
  CREATE TRIGGER refuse BEFORE ${event} ON goverse_objects FOR EACH ROW EXECUTE FUNCTION refuse()`;

function requestOf(commands: readonly BatchCommand[], isolate: boolean): WriteRequest {
  const objects = new Map(commands.map((item) => [item.command.id, [item]]));
  return {
    slots: [...new Set(commands.map(({ slot }) => slot))].toSorted((a, b) => a - b),
    presumable: [],
    ids: [...objects.keys()],
    claims: [],
    candidates: commands.flatMap((item) => (isSave(item) ? [item.row] : [])),
    decide: (snapshot) => decideBatch(objects, snapshot, new Set()).decision,
    isolate,
  };
}

async function refusalOf(writing: Promise<unknown>): Promise<RowsRefusedError> {
  const error: unknown = await writing.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(RowsRefusedError);
  return error as RowsRefusedError;
}

async function outcomesOf(
  store: TestStore,
  batch: readonly BatchCommand[],
  presumes = false,
): Promise<(string | undefined)[]> {
  const { outcomes } = await within(LIMIT_MS, 'the batch', runBatch(store.session, batch, presumes));
  return batch.map((item) => outcomes.get(item)?.outcome);
}

const storedIds = async (store: TestStore): Promise<unknown[]> =>
  (await store.rows('SELECT object_id FROM goverse_objects ORDER BY object_id COLLATE "C"')).flat();

/** Numbered saves, the given ones rude. */
const saves = (count: number, version: number, rude: readonly number[] = []): BatchCommand[] =>
  Array.from({ length: count }, (_, n) =>
    save(`object-${String(n).padStart(3, '0')}`, rude.includes(n) ? `{"rude":${n}}` : `{"n":${n}}`, {
      version,
    }),
  );

describe.each(['rows', 'copy'] as const)('with rows sent as %s', (path) => {
  const open = () => openStore(scratch, { copyRowsMin: COPY_ROWS_MIN[path] });

  it.each([
    ['the only one', 1, [0]],
    ['one of many', 100, [37]],
    ['the first, the last and two neighbours', 100, [0, 50, 51, 99]],
    ['all', 20, Array.from({ length: 20 }, (_, n) => n)],
  ])('%s that a CHECK refuses is rejected, and the others are written', async (_name, count, rude) => {
    const store = await open();
    await store.sql.query(CHECK);
    const batch = saves(count, 1, rude);
    const outcomes = await outcomesOf(store, batch);
    expect(outcomes).toEqual(batch.map((_, n) => (rude.includes(n) ? 'rejected' : 'applied')));
    expect(await storedIds(store)).toEqual(
      batch.filter((_, n) => !rude.includes(n)).map(({ command }) => command.id),
    );
  });

  it('a refused update leaves the state before it', async () => {
    const store = await open();
    await runBatch(store.session, saves(10, 1));
    await store.sql.query(CHECK);
    expect(await outcomesOf(store, saves(10, 2, [4]))).toEqual(
      Array.from({ length: 10 }, (_, n) => (n === 4 ? 'rejected' : 'applied')),
    );
    expect(await store.rows('SELECT object_id, data::text FROM goverse_objects WHERE version = 1')).toEqual([
      ['object-004', '{"n": 4}'],
    ]);
  });

  it.each([
    ['its own', 'P0001'],
    ['the one of a CHECK', '23514'],
    ['data_exception', '22000'],
    ['a failed assertion, which OTHERS does not catch', 'P0004'],
  ])('a trigger that raises with SQLSTATE %s refuses its row', async (_name, errcode) => {
    const store = await open();
    await runBatch(store.session, [
      save('bad-old', '{}', { version: 1 }),
      save('bad-doomed', '{}', { version: 1 }),
      save('good-doomed', '{}', { version: 1 }),
    ]);
    await store.sql.query(raising('INSERT OR UPDATE OR DELETE', errcode));
    const batch = [
      save('bad-old', '{"a":1}', { version: 2 }),
      save('bad-new', '{}', { version: 1 }),
      remove('bad-doomed', { version: 2 }),
      remove('good-doomed', { version: 2 }),
      save('good-new', '{}', { version: 1 }),
    ];
    expect(await outcomesOf(store, batch)).toEqual([
      'rejected',
      'rejected',
      'rejected',
      'applied',
      'applied',
    ]);
    expect(await storedIds(store)).toEqual(['bad-doomed', 'bad-old', 'good-new']);
    expect(await store.rows('SELECT object_id FROM holdfast_tombstones')).toEqual([['good-doomed']]);
  });

  it('what nothing rests on is refused in the transaction that writes the others', async () => {
    const store = await open();
    await runBatch(store.session, [
      save('claimed', '{}', { version: 1 }),
      save('deleted', '{}', { version: 1 }),
      remove('deleted', { version: 2 }),
    ]);
    await store.sql.query(`UPDATE goverse_objects SET data = '{"rude":0}' WHERE object_id = 'claimed'`);
    await store.sql.query(`${CHECK} NOT VALID`);
    const batch = [
      save('deleted', '{"rude":1}', { version: 3 }),
      save('good', '{}', { version: 1 }),
      claim('claimed', CLAIM),
    ];
    const request = requestOf(batch, true);
    const { refused, rows } = await store.session.write(request);
    expect([refused.map(({ row }) => row.id), rows]).toEqual([['deleted', 'claimed'], 1]);
    expect(await storedIds(store)).toEqual(['claimed', 'good']);
    expect(await store.rows('SELECT object_id, version FROM holdfast_tombstones')).toEqual([
      ['deleted', '2'],
    ]);
    expect(await store.rows('SELECT FROM holdfast_claims')).toEqual([]);
  });

  it('where the newest state is refused, the next older one takes its place', async () => {
    const store = await open();
    await store.sql.query(CHECK);
    const batch = [
      save('a', '{"n":1}', { version: 1 }),
      save('a', '{"n":2}', { version: 2 }),
      save('a', '{"rude":3}', { version: 3 }),
      save('a', '{"rude":4}', { version: 4 }),
    ];
    expect(await outcomesOf(store, batch)).toEqual(['superseded', 'applied', 'rejected', 'rejected']);
    expect(await store.rows('SELECT version, data::text FROM goverse_objects')).toEqual([['2', '{"n": 2}']]);
  });

  it('a column that somebody added NOT NULL is no fault of the rows', async () => {
    const store = await open();
    await store.sql.query('ALTER TABLE goverse_objects ADD COLUMN tenant TEXT NOT NULL');
    await expect(runBatch(store.session, saves(4, 1))).rejects.toMatchObject({
      failure: 'systemic',
      sqlstate: '23502',
    });
    expect(await storedIds(store)).toEqual([]);
  });

  it('a document without what a generated column needs is refused for itself', async () => {
    const store = await open();
    await store.sql.query(
      `ALTER TABLE goverse_objects ADD COLUMN tenant TEXT GENERATED ALWAYS AS (data->>'tenant') STORED NOT NULL`,
    );
    const batch = [
      save('a', '{"tenant":"x"}', { version: 1 }),
      save('b', '{}', { version: 1 }),
      save('c', '{"tenant":"y"}', { version: 1 }),
    ];
    expect(await outcomesOf(store, batch)).toEqual(['applied', 'rejected', 'applied']);
  });

  it('the second of two objects that a unique index cannot hold both is refused', async () => {
    const store = await open();
    await store.sql.query(`CREATE UNIQUE INDEX username ON goverse_objects ((data->>'username'))`);
    const batch = [
      save('user-1', '{"username":"alice"}', { version: 1 }),
      save('user-2', '{"username":"bob"}', { version: 1 }),
      save('user-3', '{"username":"alice"}', { version: 1 }),
    ];
    expect(await outcomesOf(store, batch)).toEqual(['applied', 'applied', 'rejected']);
  });

  it('an object that another table refers to cannot be deleted', async () => {
    const store = await open();
    await runBatch(store.session, saves(2, 1));
    await store.sql.query(`
      CREATE TABLE friends (object_id VARCHAR(255) REFERENCES goverse_objects);
      INSERT INTO friends VALUES ('object-000')`);
    const batch = [remove('object-000', { version: 2 }), remove('object-001', { version: 2 })];
    expect(await outcomesOf(store, batch)).toEqual(['rejected', 'applied']);
  });

  it.each([
    ['', false],
    [', also where it is presumed that all rows are newer', true],
  ])(
    'a constraint that is only checked at the commit refuses its row all the same%s',
    async (_, presumes) => {
      const store = await open();
      await store.sql.query(`
      CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF NEW.object_id LIKE 'bad%' THEN RAISE EXCEPTION 'late' USING ERRCODE = 'check_violation'; END IF;
        RETURN NULL; END $$;
      CREATE CONSTRAINT TRIGGER late AFTER INSERT OR UPDATE ON goverse_objects
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()`);
      const batch = [
        save('good-1', '{}', { version: 1 }),
        save('bad', '{}', { version: 1 }),
        save('good-2', '{}', { version: 1 }),
      ];
      expect(await outcomesOf(store, batch, presumes)).toEqual(['applied', 'rejected', 'applied']);
    },
  );

  it('a claim of a row that no longer fits its table is refused, not tried for ever', async () => {
    const store = await open();
    await runBatch(store.session, [save('old', '{"rude":1}', { version: 1 })]);
    await store.sql.query(`${CHECK} NOT VALID`);
    const batch = [claim('old', CLAIM), save('other', '{}', { version: 1 })];
    expect(await outcomesOf(store, batch)).toEqual(['rejected', 'applied']);
  });

  it('a document that the server cannot even compare is refused, not tried for ever', async () => {
    const store = await open();
    await runBatch(store.session, [save('deep', '{}', { version: 1 })]);
    const { rows } = await store.sql.query<{ name: string }>('SELECT current_database() AS name');
    await store.sql.query(`ALTER DATABASE "${rows[0]?.name}" SET max_stack_depth = '100kB'`);
    try {
      const fresh = { ...store, session: store.open() };
      const deep = `{"a":${'['.repeat(4_000)}${']'.repeat(4_000)}}`;
      const batch = [save('deep', deep, { version: 1 }), save('other', '{}', { version: 1 })];
      expect(await outcomesOf(fresh, batch)).toEqual(['rejected', 'applied']);
    } finally {
      await store.sql.query(`ALTER DATABASE "${rows[0]?.name}" RESET max_stack_depth`);
    }
  });
});

/** A session that counts what it sends. */
async function countingSession(store: TestStore): Promise<{ session: WriteSession; statements: string[] }> {
  const statements: string[] = [];
  const session = new PostgresWriteSession(async () => {
    const connection = await Connection.open(store.options);
    const query = connection.query.bind(connection);
    connection.query = async (statement, values) => {
      statements.push(statement.text);
      return await query(statement, values);
    };
    return connection;
  }, COPY_ROWS_MIN.rows);
  scratch.onEnd(() => session.close());
  return { session, statements };
}

describe('the cost of refused rows', () => {
  it.each([
    ['new rows', false],
    ['updates', true],
  ])('is a fixed number of statements for %s, however many there are', async (_name, stored) => {
    const counts: number[] = [];
    for (const rude of [[7], Array.from({ length: 200 }, (_, n) => 2 * n)]) {
      const store = await openStore(scratch);
      if (stored) await runBatch(store.session, saves(400, 1));
      await store.sql.query(CHECK);
      const { session, statements } = await countingSession(store);
      const { outcomes } = await runBatch(session, saves(400, 2, rude));
      expect([...outcomes.values()].filter(({ outcome }) => outcome === 'rejected')).toHaveLength(
        rude.length,
      );
      counts.push(statements.length);
    }
    // Three transactions of 6 or so; one statement finds all refused rows, one makes the functions.
    expect(counts[1]).toBe(counts[0]);
    expect(counts[0]).toBeLessThanOrEqual(20);
  });

  it('is the same for many states of one object, each of which takes the place of the next', async () => {
    const store = await openStore(scratch);
    await store.sql.query(CHECK);
    const { session, statements } = await countingSession(store);
    const batch = Array.from({ length: 300 }, (_, n) =>
      save('hot', n === 100 ? '{"fine":1}' : `{"rude":${n}}`, { version: n + 1 }),
    );
    const { outcomes } = await runBatch(session, [...batch, save('other', '{}', { version: 1 })]);
    expect(batch.map((item) => outcomes.get(item)?.outcome)).toEqual(
      batch.map((_, n) => (n < 100 ? 'superseded' : n === 100 ? 'applied' : 'rejected')),
    );
    expect(statements.length).toBeLessThanOrEqual(21);
  });

  it('goes no further down than a delete, which is written instead', async () => {
    const store = await openStore(scratch);
    await runBatch(store.session, [save('a', '{}', { version: 1 })]);
    await store.sql.query(CHECK);
    const batch = [
      save('a', '{"rude":2}', { version: 2 }),
      remove('a', { version: 3 }),
      save('a', '{"rude":4}', { version: 4 }),
      save('a', '{"rude":5}', { version: 5 }),
    ];
    expect(await outcomesOf(store, batch)).toEqual(['superseded', 'applied', 'rejected', 'rejected']);
    expect(await storedIds(store)).toEqual([]);
  });

  it('does not depend on what columns of the table are called', async () => {
    const store = await openStore(scratch);
    await store.sql.query(CHECK);
    for (const name of [
      'ids',
      'types',
      'documents',
      'versions',
      'head',
      'tail',
      'n',
      'ord',
      'code',
      'keep',
    ]) {
      await store.sql.query(`ALTER TABLE goverse_objects ADD COLUMN ${name} INTEGER`);
    }
    await runBatch(store.session, [save('b', '{}', { version: 1 }), save('c', '{}', { version: 1 })]);
    const batch = [
      save('a', '{"rude":1}', { version: 2 }),
      save('b', '{"rude":1}', { version: 2 }),
      save('d', '{}', { version: 2 }),
      remove('c', { version: 2 }),
    ];
    expect(await outcomesOf(store, batch)).toEqual(['rejected', 'rejected', 'applied', 'applied']);
  });
});

describe('isolating', () => {
  it('blames the one of two documents that cannot be read, not the one it is compared with', async () => {
    const store = await openStore(scratch);
    const { rows } = await store.sql.query<{ name: string }>('SELECT current_database() AS name');
    await store.sql.query(`ALTER DATABASE "${rows[0]?.name}" SET max_stack_depth = '100kB'`);
    try {
      const fresh = { ...store, session: store.open() };
      const deep = `{"a":${'['.repeat(4_000)}${']'.repeat(4_000)}}`;
      const batch = [save('same', deep, { version: 1 }), save('same', '{}', { version: 1 })];
      expect(await outcomesOf(fresh, batch)).toEqual(['rejected', 'applied']);
      const other = [save('again', '{}', { version: 1 }), save('again', deep, { version: 1 })];
      expect(await outcomesOf(fresh, other)).toEqual(['applied', 'rejected']);
    } finally {
      await store.sql.query(`ALTER DATABASE "${rows[0]?.name}" RESET max_stack_depth`);
    }
  });

  it("takes a failure that is no row's fault for what it is, with nothing refused", async () => {
    const store = await openStore(scratch);
    await store.sql.query(CHECK);
    await store.sql.query(raising('INSERT', '53100'));
    const batch = [save('bad', '{}', { version: 1 }), ...saves(100, 1, [3])];
    const error = await store.session.write(requestOf(batch, true)).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: 'StoreError', failure: 'systemic', sqlstate: '53100' });
    expect(await storedIds(store)).toEqual([]);
  });

  it('names exactly the refused rows with what refused them, and writes the others', async () => {
    const store = await openStore(scratch);
    await store.sql.query(CHECK);
    const batch = saves(50, 1, [3, 17, 49]);
    const { refused } = await store.session.write(requestOf(batch, true));
    expect(refused.map(({ row }) => row)).toEqual([3, 17, 49].map((n) => batch[n]?.row));
    for (const { error } of refused) {
      expect(error).toMatchObject({
        code: 'STORE_ROW_REJECTED',
        failure: 'row',
        sqlstate: '23514',
        constraint: 'polite',
        connectionLost: false,
        retryable: false,
      });
    }
    expect(await storedIds(store)).toHaveLength(47);
  });

  it('keeps documents out of the messages of its errors', async () => {
    const store = await openStore(scratch);
    await store.sql.query(CHECK);
    const batch = [save('a', '{"rude":"my secret"}', { version: 1 })];
    const { refused } = await refusalOf(store.session.write(requestOf(batch, true)));
    expect(refused[0]?.error.message).not.toContain('secret');
  });

  it('finds nothing where nothing is refused, and then writes', async () => {
    const store = await openStore(scratch);
    const { rows, path } = await store.session.write(requestOf(saves(10, 1), true));
    expect([rows, path]).toEqual([10, 'rows']);
    expect(await storedIds(store)).toHaveLength(10);
  });

  it('without it the first refusal fails the batch as a whole, with nothing written', async () => {
    const store = await openStore(scratch);
    await store.sql.query(CHECK);
    const error = (await store.session
      .write(requestOf(saves(10, 1, [5]), false))
      .catch((thrown: unknown) => thrown)) as StoreError;
    expect(error).toMatchObject({ name: 'StoreError', failure: 'row', sqlstate: '23514' });
    expect(await storedIds(store)).toEqual([]);
  });
});
