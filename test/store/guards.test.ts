/**
 * Writers who bypass the slot locks and change a row between our decision and our statement. Goal: the guards in the SQL
 * stop us, nothing is written, the batch is not blamed, and decided anew it comes out right.
 */
import { describe, expect, it } from 'vitest';
import type { BatchCommand } from '../../src/worker/batch-command.ts';
import { claim, remove, runBatch, save } from '../support/batch-commands.ts';
import { eventually } from '../support/eventually.ts';
import { openScratch } from '../support/scratch.ts';
import { COPY_ROWS_MIN, openStore, type TestStore } from '../support/test-store.ts';

const scratch = await openScratch();
const CLAIM = '0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b';

/** A session of which one statement is held back until somebody else's change is committed. */
async function behind(store: TestStore, statement: string, change: string) {
  const proxy = await scratch.openProxy(store.databaseUrl);
  let changed = 0;
  proxy.watch = (direction, bytes) => {
    if (direction === 'down' || changed > 0 || !bytes.includes(statement)) return undefined;
    changed += 1;
    return store.sql.query(change).then(() => undefined);
  };
  return { session: store.open({ databaseUrl: proxy.url }), changes: () => changed };
}

const insertRow = (id: string, version: number, epoch = 0): string =>
  `INSERT INTO goverse_objects (object_id, object_type, data, version, epoch)
   VALUES ('${id}', 'Other', '{"n":0}', ${version}, ${epoch})`;

const everything = (store: TestStore) =>
  store.rows(`SELECT 'row', object_id, object_type, version, epoch FROM goverse_objects
              UNION ALL SELECT 'tombstone', object_id, NULL, version, epoch FROM holdfast_tombstones
              ORDER BY 1, 2`);

interface Case {
  readonly what: string;
  readonly before: readonly BatchCommand[];
  readonly command: BatchCommand;
  /** By which the held statement is known. */
  readonly statement: { readonly rows: string; readonly copy?: string };
  readonly change: string;
  readonly outcome: object;
  readonly after: readonly unknown[];
}

const STORED = [save('a', '{"n":1}', { version: 1 })];

const CASES: readonly Case[] = [
  {
    what: 'an insert of an object that somebody else has just made newer',
    before: [],
    command: save('a', '{"n":2}', { version: 2 }),
    statement: { rows: 'holdfast-insert-objects', copy: 'holdfast-insert-staged-objects' },
    change: insertRow('a', 9),
    outcome: { outcome: 'superseded', version: 9, epoch: 0 },
    after: [['row', 'a', 'Other', '9', '0']],
  },
  {
    what: 'an insert of an object that somebody else has just made older',
    before: [],
    command: save('a', '{"n":2}', { version: 2 }),
    statement: { rows: 'holdfast-insert-objects', copy: 'holdfast-insert-staged-objects' },
    change: insertRow('a', 1),
    outcome: { outcome: 'applied', version: 2, epoch: 0 },
    after: [['row', 'a', 'T', '2', '0']],
  },
  {
    what: 'an insert of an object that was deleted meanwhile with a newer version',
    before: [],
    command: save('a', '{"n":2}', { version: 2 }),
    statement: { rows: 'holdfast-insert-objects', copy: 'holdfast-insert-staged-objects' },
    change: `INSERT INTO holdfast_tombstones (object_id, version, epoch) VALUES ('a', 9, 0)`,
    outcome: { outcome: 'superseded', version: 9, epoch: 0 },
    after: [['tombstone', 'a', null, '9', '0']],
  },
  {
    what: 'an insert of an object that was claimed meanwhile',
    before: [],
    command: save('a', '{"n":2}', { version: 2 }),
    statement: { rows: 'holdfast-insert-objects', copy: 'holdfast-insert-staged-objects' },
    change: `INSERT INTO holdfast_tombstones (object_id, version, epoch) VALUES ('a', 0, 4)`,
    outcome: { outcome: 'fenced', version: 0, epoch: 4 },
    after: [['tombstone', 'a', null, '0', '4']],
  },
  {
    what: 'an update of a row that became newer',
    before: STORED,
    command: save('a', '{"n":2}', { version: 2 }),
    statement: { rows: 'holdfast-update-objects', copy: 'holdfast-update-staged-objects' },
    change: `UPDATE goverse_objects SET version = 9`,
    outcome: { outcome: 'superseded', version: 9, epoch: 0 },
    after: [['row', 'a', 'T', '9', '0']],
  },
  {
    what: 'an update of a row that was claimed',
    before: STORED,
    command: save('a', '{"n":2}', { version: 2 }),
    statement: { rows: 'holdfast-update-objects', copy: 'holdfast-update-staged-objects' },
    change: `UPDATE goverse_objects SET epoch = 4`,
    outcome: { outcome: 'fenced', version: 1, epoch: 4 },
    after: [['row', 'a', 'T', '1', '4']],
  },
  {
    what: 'an update of a row that was deleted without a tombstone',
    before: STORED,
    command: save('a', '{"n":2}', { version: 2 }),
    statement: { rows: 'holdfast-update-objects', copy: 'holdfast-update-staged-objects' },
    change: `DELETE FROM goverse_objects`,
    outcome: { outcome: 'applied', version: 2, epoch: 0 },
    after: [['row', 'a', 'T', '2', '0']],
  },
  {
    what: 'a delete of a row that became newer',
    before: STORED,
    command: remove('a', { version: 2 }),
    statement: { rows: 'holdfast-delete-objects' },
    change: `UPDATE goverse_objects SET version = 9`,
    outcome: { outcome: 'superseded', version: 9, epoch: 0 },
    after: [['row', 'a', 'T', '9', '0']],
  },
  {
    what: 'a delete of an absent object that somebody else has deleted later',
    before: [],
    command: remove('a', { version: 2 }),
    statement: { rows: 'holdfast-upsert-tombstones' },
    change: `INSERT INTO holdfast_tombstones (object_id, version, epoch) VALUES ('a', 9, 0)`,
    outcome: { outcome: 'superseded', version: 9, epoch: 0 },
    after: [['tombstone', 'a', null, '9', '0']],
  },
  {
    what: 'a claim of a row that was claimed higher',
    before: STORED,
    command: claim('a', CLAIM),
    statement: { rows: 'holdfast-raise-epochs' },
    change: `UPDATE goverse_objects SET epoch = 4`,
    outcome: { outcome: 'claimed', epoch: 5 },
    after: [['row', 'a', 'T', '1', '5']],
  },
];

describe.each(['rows', 'copy'] as const)('with rows sent as %s', (path) => {
  it.each(CASES)('$what is stopped, and then decided anew', async ({ statement, ...given }) => {
    const store = await openStore(scratch, { copyRowsMin: COPY_ROWS_MIN[path] });
    for (const command of given.before) await runBatch(store.session, [command]);
    const neighbour = save('neighbour', '{}', { version: 1 });
    const batch = [given.command, neighbour];
    const { session, changes } = await behind(store, statement[path] ?? statement.rows, given.change);
    await expect(runBatch(session, batch)).rejects.toMatchObject({
      name: 'StoreError',
      code: 'STORE_CONTENDED',
      failure: 'contended',
      retryable: true,
      connectionLost: false,
    });
    expect(changes()).toBe(1);
    expect((await everything(store)).filter(([, id]) => id === 'neighbour')).toEqual([]);
    const { outcomes } = await runBatch(session, batch);
    expect(outcomes.get(given.command)).toEqual(given.outcome);
    expect((await everything(store)).filter(([, id]) => id === 'a')).toEqual(given.after);
    expect((await everything(store)).filter(([, id]) => id === 'neighbour')).toHaveLength(1);
  });
});

describe.each<[how: string, copyRowsMin: number, statement: string, beside: BatchCommand[]]>([
  ['at once', COPY_ROWS_MIN.rows, 'holdfast-upsert-at-once', []],
  [
    'as rows, beside what is decided about',
    COPY_ROWS_MIN.rows,
    'holdfast-upsert-objects',
    [remove('beside', { version: 1 })],
  ],
  ['by COPY', COPY_ROWS_MIN.copy, 'holdfast-upsert-staged-objects', []],
])('saves presumed to be the newest, sent %s', (_how, copyRowsMin, statement, beside) => {
  it.each([
    ['makes newer', insertRow('a', 9), { outcome: 'superseded', version: 9, epoch: 0 }],
    ['makes older', insertRow('a', 1), { outcome: 'applied', version: 2, epoch: 0 }],
    ['makes, and claims', insertRow('a', 1, 4), { outcome: 'fenced', version: 1, epoch: 4 }],
    [
      'deletes, with a newer version',
      `INSERT INTO holdfast_tombstones (object_id, version, epoch) VALUES ('a', 9, 0)`,
      { outcome: 'superseded', version: 9, epoch: 0 },
    ],
    [
      'claims, without a row',
      `INSERT INTO holdfast_tombstones (object_id, version, epoch) VALUES ('a', 0, 4)`,
      { outcome: 'fenced', version: 0, epoch: 4 },
    ],
  ])(
    'are decided about if one is of an object that somebody else just then %s',
    async (_, change, outcome) => {
      const store = await openStore(scratch, { copyRowsMin });
      const { session, changes } = await behind(store, statement, change);
      const item = save('a', '{"n":2}', { version: 2 });
      const neighbour = save('neighbour', '{}', { version: 1 });
      const { outcomes } = await runBatch(session, [item, neighbour, ...beside], true);
      expect(changes()).toBe(1);
      expect(outcomes.get(item)).toEqual(outcome);
      expect(outcomes.get(neighbour)).toMatchObject({ outcome: 'applied' });
      expect((await everything(store)).filter(([, id]) => id === 'neighbour')).toHaveLength(1);
    },
  );

  it('wait for an insert of somebody else that is not committed yet, and are then written anew', async () => {
    const store = await openStore(scratch, { copyRowsMin });
    const stranger = await scratch.connect(store.databaseUrl);
    await stranger.query('BEGIN');
    await stranger.query(insertRow('a', 9));
    const item = save('a', '{"n":2}', { version: 2 });
    const neighbour = save('neighbour', '{}', { version: 1 });
    const batch = [item, neighbour, ...beside];
    const stopped = expect(runBatch(store.session, batch, true)).rejects.toMatchObject({
      failure: 'contended',
    });
    await eventually(async () => {
      const waiting = await store.rows(
        `SELECT FROM pg_stat_activity WHERE wait_event = 'transactionid' AND datname = current_database()`,
      );
      return waiting.length === 1;
    });
    await stranger.query('COMMIT');
    await stopped;
    expect((await everything(store)).filter(([, id]) => id === 'neighbour')).toEqual([]);
    const { outcomes } = await runBatch(store.session, batch, true);
    expect(outcomes.get(item)).toEqual({ outcome: 'superseded', version: 9, epoch: 0 });
    expect(outcomes.get(neighbour)).toMatchObject({ outcome: 'applied' });
  });
});

describe('what a writer who bypasses Holdfast left behind', () => {
  it('as a row and a tombstone at once: the higher version and the higher epoch count', async () => {
    const store = await openStore(scratch);
    await store.sql.query(`${insertRow('a', 5, 1)};
      INSERT INTO holdfast_tombstones (object_id, version, epoch) VALUES ('a', 7, 3)`);
    const older = save('a', '{}', { version: 6, epoch: 3 });
    const zombie = save('a', '{}', { version: 8, epoch: 2 });
    expect((await runBatch(store.session, [older])).outcomes.get(older)).toEqual({
      outcome: 'superseded',
      version: 7,
      epoch: 3,
    });
    expect((await runBatch(store.session, [zombie])).outcomes.get(zombie)).toMatchObject({
      outcome: 'fenced',
    });
    const newer = save('a', '{}', { version: 8, epoch: 3 });
    expect((await runBatch(store.session, [newer])).outcomes.get(newer)).toMatchObject({
      outcome: 'applied',
    });
    expect(await everything(store)).toEqual([['row', 'a', 'T', '8', '3']]);
  });

  it('as a row of version 0: any save is newer, and created_at stays', async () => {
    const store = await openStore(scratch);
    await store.sql.query(`
      INSERT INTO goverse_objects (object_id, object_type, data, created_at)
      VALUES ('a', 'T', '{}', '2020-01-01')`);
    const first = save('a', '{}', { version: 1, ifVersion: 0 });
    expect((await runBatch(store.session, [first])).outcomes.get(first)).toMatchObject({
      outcome: 'conflict',
    });
    const second = save('a', '{}', { version: 1 });
    expect((await runBatch(store.session, [second])).outcomes.get(second)).toMatchObject({
      outcome: 'applied',
    });
    expect(await store.rows('SELECT created_at::text FROM goverse_objects')).toEqual([
      ['2020-01-01 00:00:00'],
    ]);
  });
});
