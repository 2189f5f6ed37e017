/**
 * Documents are looked into once it is known that they will be written. Goal: no save is written, and none rests on one,
 * whose document cannot be stored; what is overtaken within its batch costs nothing; no command is lost in it.
 */
import { expect, it } from 'vitest';
import { readTypeSchemas } from '../../src/contract/type-schemas.ts';
import { runBatch, save as stored } from '../support/batch-commands.ts';
import { openScratch } from '../support/scratch.ts';
import { load, remove, save } from '../support/test-publisher.ts';
import { openStore } from '../support/test-store.ts';
import { frameOf, writeFrames } from '../support/work-frames.ts';

const scratch = await openScratch();
const BAD = '{"a":"\\u0000"}';
const CLAIM = '0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b';
const id = 'a';

const outcomesOf = async (before: string | undefined, body: string): Promise<(string | undefined)[]> => {
  const store = await openStore(scratch);
  if (before !== undefined) await runBatch(store.session, [stored(id, before, { version: 3 })]);
  const frame = frameOf(body);
  await writeFrames(store.session, [frame]);
  return frame.entries.map(({ line }) => (line?.outcome === 'rejected' ? line.code : line?.outcome));
};

it.each([
  ['alone', save({ id, version: 5 }, BAD), ['UNSTORABLE']],
  ['alone, with a condition', save({ id, version: 5, ifVersion: 3 }, BAD), ['UNSTORABLE']],
  [
    'before a newer one',
    save({ id, version: 5 }, BAD) + save({ id, version: 6 }, '{}'),
    ['superseded', 'applied'],
  ],
  [
    'behind an older one',
    save({ id, version: 5 }, '{}') + save({ id, version: 6 }, BAD),
    ['applied', 'UNSTORABLE'],
  ],
  [
    'between two: a newer one that is bad as well does not overtake it',
    save({ id, version: 4 }, '{}') + save({ id, version: 5 }, BAD) + save({ id, version: 6 }, BAD),
    ['applied', 'UNSTORABLE', 'UNSTORABLE'],
  ],
  [
    'before one with a condition, which rests on it',
    save({ id, version: 5 }, BAD) + save({ id, version: 6, ifVersion: 5 }, '{}'),
    ['UNSTORABLE', 'conflict'],
  ],
  [
    'with a condition that holds, before a newer one',
    save({ id, version: 5, ifVersion: 3 }, BAD) + save({ id, version: 6 }, '{}'),
    ['UNSTORABLE', 'applied'],
  ],
  [
    'of the version that is stored, before a newer one: its content matters',
    save({ id, version: 3 }, BAD) + save({ id, version: 6 }, '{}'),
    ['UNSTORABLE', 'applied'],
  ],
  [
    'beside another of its version, whose content is compared',
    save({ id, version: 6 }, BAD) + save({ id, version: 6 }, '{}'),
    ['UNSTORABLE', 'applied'],
  ],
  ['before a delete', save({ id, version: 5 }, BAD) + remove({ id, version: 6 }), ['superseded', 'applied']],
  ['older than what is stored', save({ id, version: 2 }, BAD), ['UNSTORABLE']],
])('a save whose document cannot be stored, %s', async (_where, body, outcomes) => {
  expect(await outcomesOf('{"before":1}', body)).toEqual(outcomes);
});

it('a claim closes a fold: what is written before it is looked into', async () => {
  const body =
    save({ id, version: 5 }, BAD) + load({ id, claim: CLAIM }) + save({ id, version: 6, epoch: 1 }, '{}');
  expect(await outcomesOf('{}', body)).toEqual(['UNSTORABLE', undefined, 'applied']);
});

it('an action line in the place of a document is found, whether it would be overtaken or not', async () => {
  const forgotten = save({ id, version: 5 }, remove({ id: 'b', version: 1 }).trimEnd());
  expect(await outcomesOf(undefined, forgotten + save({ id, version: 6 }, '{}'))).toEqual([
    'INVALID_DOCUMENT',
    'applied',
  ]);
});

it('a schema is asked once for each object that is written, however many saves of it there are', async () => {
  const store = await openStore(scratch);
  const asked: unknown[] = [];
  const schemas = readTypeSchemas({
    T: {
      safeParse: (document: { n: number }) => {
        asked.push(document.n);
        return document.n < 8 ? { success: true } : { success: false, error: { issues: [] } };
      },
    },
  });
  const saves = Array.from({ length: 10 }, (_, n) => save({ id, version: n + 1 }, `{"n":${n}}`));
  const frame = frameOf(saves.join(''));
  await writeFrames(store.session, [frame], schemas);
  expect(asked).toEqual([9, 8, 7]);
  expect(frame.entries.map(({ line }) => line?.code ?? line?.outcome)).toEqual([
    ...Array.from({ length: 7 }, () => 'superseded'),
    'applied',
    'SCHEMA_VIOLATION',
    'SCHEMA_VIOLATION',
  ]);
});
