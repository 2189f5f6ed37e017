/** Reading: what is live, what is known of what is not, and pages in the order of bytes whatever the server sorts by. */
import { describe, expect, it } from 'vitest';
import { claim, remove, runBatch, save } from '../support/batch-commands.ts';
import { openScratch } from '../support/scratch.ts';
import { openStore } from '../support/test-store.ts';

const scratch = await openScratch();
const CLAIM = '0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b';

const absent = (id: string, version: number, epoch: number) => ({
  id,
  live: false,
  version,
  epoch,
  type: undefined,
  nextRcseq: undefined,
  document: undefined,
});

const read = (version: number) => [version, undefined, true];
const left = (version: number) => [version, 'room', false];

describe('a load', () => {
  it('reads no more documents at once than is allowed as they are rendered, but at least one', async () => {
    const { session, sql } = await openStore(scratch);
    // Compressed to a hundredth.
    await sql.query(`
      INSERT INTO goverse_objects (object_id, object_type, data, version)
      SELECT 'o' || n, 'T', jsonb_build_object('x', repeat('a', 100000)), n FROM generate_series(1, 5) n`);
    const wanted = ['o1', 'o2', 'nothing', 'o3', 'o4', 'o5'].map((id) => ({ id, document: id !== 'o5' }));
    const lacks = async (bytesMax: number, documentBytesMax = 1_000_000) =>
      (await session.load(wanted, { bytesMax, documentBytesMax })).map((object) => [
        object.version,
        object.lacks,
        object.document !== undefined,
      ]);
    const [o5, nothing] = [
      [5, undefined, false],
      [0, undefined, false],
    ];
    expect(await lacks(250_000)).toEqual([read(1), read(2), nothing, left(3), left(4), o5]);
    expect(await lacks(1)).toEqual([read(1), left(2), nothing, left(3), left(4), o5]);
    expect(await lacks(1_000_000)).toEqual([read(1), read(2), nothing, read(3), read(4), o5]);
  });

  it('leaves out what is rendered larger than a document may be, beside others', async () => {
    const { session } = await openStore(scratch);
    await runBatch(session, [
      save('huge', `{"n":[${'1e999,'.repeat(2_000)}0]}`, { version: 1 }),
      save('small', '{"n":1}', { version: 2 }),
    ]);
    const wanted = ['huge', 'small'].map((id) => ({ id, document: true }));
    expect(await session.load(wanted, { bytesMax: 100_000, documentBytesMax: 1_048_576 })).toMatchObject([
      { id: 'huge', live: true, version: 1, document: undefined, lacks: 'size' },
      { id: 'small', document: '{"n": 1}', lacks: undefined },
    ]);
  });

  it('tells live, deleted, claimed and unknown objects apart, in the order asked for', async () => {
    const { session } = await openStore(scratch);
    await runBatch(session, [save('live', '{"b":1,"a":[1, 2]}', { version: 3, type: 'U', nextRcseq: 7 })]);
    await runBatch(session, [save('deleted', '{}', { version: 1 })]);
    await runBatch(session, [remove('deleted', { version: 2 }), claim('deleted', CLAIM)]);
    await runBatch(session, [claim('claimed', CLAIM, 41), remove('never', { version: 9, epoch: 2 })]);
    const wanted = ['unknown', 'live', 'deleted', 'claimed', 'never', 'live'];
    const live = {
      id: 'live',
      live: true,
      version: 3,
      epoch: 0,
      type: 'U',
      nextRcseq: 7,
      document: '{"a": [1, 2], "b": 1}',
    };
    expect(await session.load(wanted.map((id) => ({ id, document: true })))).toEqual([
      absent('unknown', 0, 0),
      live,
      absent('deleted', 2, 1),
      absent('claimed', 0, 41),
      absent('never', 9, 2),
      live,
    ]);
  });

  it('leaves documents out that were not asked for, each object for itself', async () => {
    const { session } = await openStore(scratch);
    await runBatch(session, [save('a', '{"n":1}', { version: 1 })]);
    const loaded = await session.load([
      { id: 'a', document: false },
      { id: 'a', document: true },
    ]);
    expect(loaded.map(({ live, document }) => [live, document])).toEqual([
      [true, undefined],
      [true, '{"n": 1}'],
    ]);
  });

  it('keeps versions and epochs exactly up to 2^53-1', async () => {
    const { session } = await openStore(scratch);
    const max = Number.MAX_SAFE_INTEGER;
    await runBatch(session, [save('a', '{}', { version: max, epoch: max, nextRcseq: max })]);
    const [loaded] = await session.load([{ id: 'a', document: true }]);
    expect(loaded).toMatchObject({ version: max, epoch: max, nextRcseq: max });
  });

  it('of nothing asks nobody', async () => {
    const { session } = await openStore(scratch);
    expect(await session.load([])).toEqual([]);
  });

  it('of a recreated object finds no call sequence of its former life', async () => {
    const { session, rows } = await openStore(scratch);
    await runBatch(session, [save('a', '{}', { version: 1, nextRcseq: 9 })]);
    const createdAt = await rows('SELECT created_at::text FROM goverse_objects');
    await runBatch(session, [remove('a', { version: 2 })]);
    await runBatch(session, [save('a', '{}', { version: 3 })]);
    const [loaded] = await session.load([{ id: 'a', document: true }]);
    expect(loaded).toMatchObject({ live: true, version: 3, nextRcseq: 0 });
    expect(await rows('SELECT created_at::text FROM goverse_objects')).not.toEqual(createdAt);
  });
});

/** Sorts differently by bytes, by UTF-16 units and by any language. */
const IDS = [
  'a',
  'B',
  'b',
  'A',
  'Z',
  'ä',
  'z',
  'é',
  'e',
  '_',
  '-',
  '10',
  '9',
  '\uffee',
  '😀',
  ' ',
  "'",
  '\\',
];
const byBytes = (ids: readonly string[]): string[] =>
  ids.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));

/** A collation of the server that does not sort by bytes. */
async function otherCollation(): Promise<string> {
  const { rows } = await scratch.sql.query<{ name: string }>(
    `SELECT quote_ident(collname) AS name FROM pg_collation
     WHERE collname IN ('en-x-icu', 'und-x-icu', 'unicode', 'en_US.utf8', 'en_US') AND collisdeterministic
     ORDER BY collname LIMIT 1`,
  );
  const [found] = rows;
  if (found === undefined) throw new Error('this server knows no collation but those that sort by bytes');
  return found.name;
}

describe('a list', () => {
  it('is in the order of bytes, page by page, on a column that sorts by language', async () => {
    const collation = await otherCollation();
    const { session, rows } = await openStore(scratch, {
      before: `CREATE TABLE goverse_objects (
        object_id VARCHAR(255) COLLATE ${collation} PRIMARY KEY, object_type VARCHAR(255) NOT NULL, data JSONB NOT NULL,
        created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, updated_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)`,
    });
    await runBatch(
      session,
      IDS.map((id) => save(id, '{}', { version: 1, type: 'Letter' })),
    );
    const theirs = (await rows('SELECT object_id FROM goverse_objects ORDER BY object_id')).flat();
    expect(theirs).not.toEqual(byBytes(IDS));
    for (const limit of [1, 3, IDS.length, 100]) {
      const listed: string[] = [];
      for (let page = [''], after: string | undefined; page.length > 0; after = page.at(-1)) {
        const objects = await session.list({ type: 'Letter', after, limit, documents: false });
        page = objects.map(({ id }) => id);
        expect(page.length).toBeLessThanOrEqual(limit);
        listed.push(...page);
      }
      expect(listed).toEqual(byBytes(IDS));
    }
  });

  it('holds only live objects of its type, with all that is known of them', async () => {
    const { session } = await openStore(scratch);
    await runBatch(session, [
      save('a', '{"n": 1}', { version: 1, type: 'T', epoch: 2, nextRcseq: 3 }),
      save('b', '{}', { version: 1, type: 't' }),
      save('c', '{}', { version: 1, type: 'T' }),
    ]);
    await runBatch(session, [remove('c', { version: 2 }), claim('d', CLAIM)]);
    const bare = { id: 'a', live: true, version: 1, epoch: 2, type: 'T', nextRcseq: 3 };
    const wanted = { type: 'T', after: undefined, limit: 10 };
    expect(await session.list({ ...wanted, documents: false })).toEqual([{ ...bare, document: undefined }]);
    expect(await session.list({ ...wanted, documents: true })).toEqual([{ ...bare, document: '{"n": 1}' }]);
    expect(await session.list({ ...wanted, after: 'a', documents: true })).toEqual([]);
    expect(await session.list({ ...wanted, type: 'None', documents: true })).toEqual([]);
  });

  it('may begin behind an id that does not exist', async () => {
    const { session } = await openStore(scratch);
    await runBatch(
      session,
      ['a', 'c', 'e'].map((id) => save(id, '{}', { version: 1 })),
    );
    const listed = await session.list({ type: 'T', after: 'b', limit: 1, documents: false });
    expect(listed.map(({ id }) => id)).toEqual(['c']);
  });
});
