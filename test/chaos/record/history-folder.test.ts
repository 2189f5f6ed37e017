/** What is recorded is what is judged: events, audit and letters come back from a folder as they were written. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { load, write } from '../oracle/histories.ts';
import { objectId, objectOf } from '../workload/objects.ts';
import { COLUMN_COUNT, failureRow, loadRow, repliesLostRow, writeRow } from './columns.ts';
import { AUDIT_COLUMN_COUNT, FILES, readHistories, STORED_COLUMN_COUNT } from './history-folder.ts';
import { RowWriter } from './row-file.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-history-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

it('reads back, object by object, what was written', async () => {
  const saved = write({
    version: 2 ** 50 + 1,
    ifVersion: 3,
    poison: 'refused',
    outcome: 'fenced',
    storedVersion: 9,
  });
  const loaded = load({ action: 'claim', version: 5, epoch: 2, claimId: 77, invokedAt: 12 });
  const events = new RowWriter(join(folder, FILES.events('a')), COLUMN_COUNT);
  events.add(writeRow(1, saved));
  for (let more = 0; more < 20_000; more += 1) events.add(writeRow(2, write({ version: more + 1 })));
  events.add(loadRow(1, loaded));
  events.add(failureRow(1, 4, 'conflict', 8, 99));
  events.add(repliesLostRow(4, 123));
  events.close();
  const audit = new RowWriter(join(folder, FILES.audit), AUDIT_COLUMN_COUNT);
  audit.add([8, 1, 2, 6, 1, 0, 50, 1]);
  audit.add([7, 1, 0, 5, 1, 50, 40, 1]);
  audit.close();
  const stored = new RowWriter(join(folder, FILES.stored), STORED_COLUMN_COUNT);
  stored.add([1, 0, 5, 1, 50, 1]);
  stored.add([2, 1, 6, 2, 0, 1]);
  stored.close();
  await writeFile(
    join(folder, FILES.letters),
    `${JSON.stringify({ object: 1, letterId: 'x', code: 'FENCED' })}\n`,
  );

  const histories = [...readHistories(folder)];
  expect(histories.map(({ object }) => object).toSorted()).toEqual([objectId(1), objectId(2)]);
  const first = histories.find(({ object }) => object === objectId(1));
  expect(first?.writes).toEqual([saved]);
  expect(first?.loads).toEqual([loaded]);
  expect(first?.failures).toEqual([{ process: 4, outcome: 'conflict', storedEpoch: 8, at: 99 }]);
  expect(first?.audit.map(({ seq, change }) => [seq, change])).toEqual([
    [7, 'row'],
    [8, 'tombstone'],
  ]);
  expect(first?.row).toEqual({ version: 5, epoch: 1, nonce: 50, intact: true });
  expect(first?.letters).toMatchObject([{ letterId: 'x' }]);
  expect(first?.repliesLost.get(4)).toEqual([123]);
  const second = histories.find(({ object }) => object === objectId(2));
  expect(second?.writes).toHaveLength(20_000);
  expect(second?.tombstone).toEqual({ version: 6, epoch: 2 });
});

it('tells objects from their ids, and knows those that are none', () => {
  for (let object = 0; object < 100; object += 1) expect(objectOf(objectId(object))).toBe(object);
  expect(objectOf('user-x')).toBeUndefined();
  expect(objectOf('somebody-7')).toBeUndefined();
});
