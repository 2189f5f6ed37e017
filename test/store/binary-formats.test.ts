/**
 * What is sent in binary form, as arrays and as COPY rows, against the real server. Goal: every id, version and document
 * that the contract allows arrives as it was, and both ways of writing leave the same tables behind.
 */
import * as fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { migrate } from '../../src/store/migrate.ts';
import { PostgresStore } from '../../src/store/postgres-store.ts';
import type { WriteSession } from '../../src/store/store.ts';
import { type BatchCommand, isClaim } from '../../src/worker/batch-command.ts';
import { documents, identifiers, maybe, naturals, positives } from '../contract/arbitraries.ts';
import { claim, remove, runBatch, save } from '../support/batch-commands.ts';
import { openScratch } from '../support/scratch.ts';

const scratch = await openScratch();
const byRows = await open(Number.MAX_SAFE_INTEGER);
const byCopy = await open(1);

afterAll(async () => {
  await Promise.all([byRows.session.close(), byCopy.session.close()]);
});

async function open(copyRowsMin: number) {
  const databaseUrl = await scratch.createSchema();
  const options = scratch.connectionOptions({ databaseUrl });
  await migrate(options);
  const sql = await scratch.connect(databaseUrl);
  const session = new PostgresStore({ ...options, copyRowsMin }).openWriteSession();
  const write = session.write.bind(session);
  session.write = async (request) => {
    // What is refused is isolated, and isolated it would be written by arrays after all.
    if (request.isolate) throw new Error('the batch was refused');
    return await write(request);
  };
  return { sql, session };
}

const EMPTY = 'DELETE FROM goverse_objects; DELETE FROM holdfast_tombstones; DELETE FROM holdfast_claims';

/** All tables without their times. */
async function dump({ sql }: typeof byRows): Promise<unknown> {
  const tables = [
    'SELECT object_id, object_type, data::text, next_rcseq, version, epoch FROM goverse_objects',
    'SELECT object_id, version, epoch FROM holdfast_tombstones',
    'SELECT object_id, claim_id, epoch FROM holdfast_claims',
  ];
  const results = [];
  for (const text of tables) {
    results.push((await sql.query({ text: `${text} ORDER BY 1, 2`, rowMode: 'array' })).rows);
  }
  return results;
}

/** What PostgreSQL makes of the same documents when they come as text. */
async function asJsonb(texts: readonly string[]): Promise<string[]> {
  const { rows } = await scratch.sql.query<{ text: string }>({
    text: 'SELECT t::jsonb::text AS text FROM unnest($1::text[]) WITH ORDINALITY AS u(t, n) ORDER BY n',
    values: [texts],
  });
  return rows.map(({ text }) => text);
}

const ids = fc.oneof(
  identifiers,
  fc.string({ unit: 'binary', minLength: 255, maxLength: 255 }).map((id) => id.replaceAll('\0', '0')),
);

describe.each([
  ['arrays', byRows],
  ['COPY', byCopy],
] as const)('rows sent by %s', (name, way) => {
  it('arrive as they were: any id and type, any version, any document', async () => {
    const saves = fc.uniqueArray(fc.tuple(ids, identifiers, positives, naturals, naturals, documents()), {
      selector: ([id]) => id,
      minLength: 1,
      maxLength: 20,
    });
    await fc.assert(
      fc.asyncProperty(saves, async (given) => {
        await way.sql.query(EMPTY);
        const commands = given.map(([id, type, version, epoch, nextRcseq, document]) =>
          save(id, document, { type, version, epoch, nextRcseq }),
        );
        const { outcomes } = await runBatch(way.session, commands);
        expect(new Set([...outcomes.values()].map(({ outcome }) => outcome))).toEqual(new Set(['applied']));
        const stored = await asJsonb(given.map(([, , , , , document]) => document));
        const loaded = await way.session.load(given.map(([id]) => ({ id, document: true })));
        expect(loaded).toEqual(
          given.map(([id, type, version, epoch, nextRcseq], index) => ({
            id,
            live: true,
            type,
            version,
            epoch,
            nextRcseq,
            document: stored[index],
          })),
        );
      }),
      { numRuns: 40 },
    );
  });

  it.each([
    ['64-bit integers', '{"n":9007199254740993,"m":-9223372036854775808,"u":18446744073709551615}'],
    ['decimals as they are written', '{"a":1.000,"b":1e2,"c":0.1e-3,"d":-0,"e":100.0}'],
    ['the last of duplicate keys', '{"a":1,"b":2,"a":3}'],
    ['escapes and what they stand for', String.raw`{"a":"\u0041\u00e9\ud83d\ude00\"\\\/\b\f\n\r\t"}`],
    ['text that looks like an escape', String.raw`{"a":"\\u0000","\\ud800":"\\"}`],
    ['quotes, braces and commas as of an array literal', String.raw`{"{\"a\",NULL}":"','{}\\\"$1"}`],
    ['five thousand levels', `{"a":${'['.repeat(4_999)}${']'.repeat(4_999)}}`],
    ['a megabyte', `{"a":"${'é'.repeat(524_000)}"}`],
    ['whitespace and an empty key', ' {\t"" : [ ] , "a" : { } } '],
  ])('keep %s', async (what, document) => {
    const id = `${name}: ${what}`;
    await runBatch(way.session, [save(id, document, { version: 1 })]);
    const [loaded] = await way.session.load([{ id, document: true }]);
    expect([loaded?.document]).toEqual(await asJsonb([document]));
  });

  it('carry a document out of the middle of its frame', async () => {
    const body = Buffer.from('{"save":{}}\n{"mine":1}\n{"other":2}\n');
    const command = save('inside', '{}', { version: 1 });
    if (command.row === undefined) throw new Error('a save has a row');
    const inside = { ...command, row: { ...command.row, body, documentStart: 12, documentEnd: 22 } };
    await runBatch(way.session, [inside]);
    const [loaded] = await way.session.load([{ id: 'inside', document: true }]);
    expect(loaded?.document).toBe('{"mine": 1}');
  });
});

const CLAIM_IDS = ['0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b', '0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5c'];
const small = fc.integer({ min: 1, max: 6 });
const fewIds = fc.constantFrom('a', 'b', "c'😀", 'd\\');
const epochs = fc.integer({ min: 0, max: 2 });
const fewDocuments = fc.constantFrom('{}', '{"a":1}', '{"a":1.0}', '{"b":[1,2]}');

/** Few ids and versions, so that every outcome comes up often. */
const commands: fc.Arbitrary<BatchCommand> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc
      .tuple(fewIds, fewDocuments, small, epochs, maybe(epochs), maybe(small))
      .map(([id, document, version, epoch, ifVersion, nextRcseq]) =>
        save(id, document, { version, epoch, ifVersion, nextRcseq }),
      ),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fewIds, small, epochs, maybe(epochs))
      .map(([id, version, epoch, ifVersion]) => remove(id, { version, epoch, ifVersion })),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fewIds, fc.constantFrom(...CLAIM_IDS), epochs)
      .map(([id, claimId, proposed]) => claim(id, claimId, proposed)),
  },
);

async function outcomesOf(session: WriteSession, batch: readonly BatchCommand[]): Promise<unknown[]> {
  const { outcomes } = await runBatch(session, batch);
  return batch.map((item) => outcomes.get(item));
}

describe('the two ways of writing', () => {
  it('give every command the same outcome and leave the same tables', async () => {
    const batches = fc.array(fc.array(commands, { minLength: 1, maxLength: 12 }), {
      minLength: 1,
      maxLength: 4,
    });
    await fc.assert(
      fc.asyncProperty(batches, async (given) => {
        await Promise.all([byRows.sql.query(EMPTY), byCopy.sql.query(EMPTY)]);
        for (const batch of given) {
          expect(await outcomesOf(byCopy.session, batch)).toEqual(await outcomesOf(byRows.session, batch));
          expect(await dump(byCopy)).toEqual(await dump(byRows));
        }
      }),
      { numRuns: 40 },
    );
  });

  it('are chosen by the number of rows that will probably be written', async () => {
    const session = new PostgresStore({ ...scratch.connectionOptions(), copyRowsMin: 3 }).openWriteSession();
    await scratch.migrate();
    const paths: string[] = [];
    for (const count of [2, 3, 4]) {
      const rows = Array.from({ length: count }, (_, n) => save(`${count}-${n}`, '{}', { version: 1 }));
      const { path } = await session.write({
        slots: [],
        presumable: [],
        ids: [],
        claims: [],
        candidates: rows.flatMap((item) => (isClaim(item) || item.row === undefined ? [] : [item.row])),
        decide: () => ({ passes: [], older: () => [], isAlone: () => false }),
        isolate: false,
      });
      paths.push(path);
    }
    expect(paths).toEqual(['rows', 'copy', 'copy']);
    await session.close();
  });
});
