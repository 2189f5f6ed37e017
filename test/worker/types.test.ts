/** Documents that do not fit the schema of their type. Goal: a letter with the paths, and neighbours and bytes untouched. */
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { Letters } from '../support/letters.ts';
import { openScratch } from '../support/scratch.ts';
import { idsOfPartition, load, save, TestPublisher } from '../support/test-publisher.ts';
import { startWorker } from '../support/test-worker.ts';

const scratch = await openScratch();
const TYPES = fileURLToPath(new URL('./types-module.mjs', import.meta.url));
const [FIRST = '', BAD = '', LAST = ''] = idsOfPartition(1, 3, 'typed');

let publisher: TestPublisher;
let letters: Letters;

beforeAll(async () => {
  await startWorker(scratch, { types: TYPES });
  publisher = await TestPublisher.open(scratch);
  letters = await Letters.open(scratch);
});

const profile = (id: string, version: number, document: string): string =>
  save({ id, type: 'UserProfile', version }, document);

describe('a document of a type with a schema', () => {
  it('that does not fit is a letter with the paths of the issues, and its neighbours are written', async () => {
    const messageId = randomUUID();
    const bad = profile(BAD, 1, '{"username":7,"address":{"zip":"my secret"}}');
    const frame =
      profile(FIRST, 1, '{"username":"a"}') + bad + save({ id: LAST, version: 1 }, '{"username":7}');
    const { lines } = await publisher.request(frame, { messageId });
    expect(lines).toMatchObject([
      { outcome: 'applied' },
      { id: BAD, outcome: 'rejected', code: 'SCHEMA_VIOLATION' },
      { outcome: 'applied' },
    ]);
    const [letter] = await letters.of(messageId);
    expect(letter?.body).toBe(bad);
    expect(letter?.headers).toMatchObject({
      'holdfast-code': 'SCHEMA_VIOLATION',
      'holdfast-object-id': BAD,
      'holdfast-object-type': 'UserProfile',
      'holdfast-issues': '[["username"],["address","zip"]]',
      'holdfast-message':
        'the document does not fit the schema of type "UserProfile": username (invalid_type), address.zip (invalid_type)',
    });
  });

  it('is stored as it came, with what the schema makes of it seen by nobody', async () => {
    const [id = ''] = idsOfPartition(2, 1, 'exact');
    const document = '{"username": "a", "big": 18446744073709551615, "exact": 0.1000}';
    const { lines } = await publisher.request(profile(id, 1, document) + load({ id }));
    expect(lines.map(({ outcome }) => outcome)).toEqual(['applied', 'found', undefined]);
    const { rows } = await scratch.sql.query<{ data: string }>(
      'SELECT data::text FROM goverse_objects WHERE object_id = $1',
      [id],
    );
    expect(rows[0]?.data).toContain('18446744073709551615');
    expect(rows[0]?.data).not.toContain('score');
  });

  it('that is refused leaves the state before it to what follows', async () => {
    const [id = ''] = idsOfPartition(3, 1, 'follows');
    const frame =
      profile(id, 1, '{"username":"a"}') +
      profile(id, 2, '{"username":7}') +
      save({ id, type: 'UserProfile', version: 3, ifVersion: 1 }, '{"username":"b"}');
    const { lines } = await publisher.request(frame);
    expect(lines.map(({ outcome }) => outcome)).toEqual(['applied', 'rejected', 'applied']);
  });
});
