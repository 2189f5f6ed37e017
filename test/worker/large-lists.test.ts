/** Lists with more documents than are read at once. Goal: a worker never holds them all, and the requester sees one page. */
import { randomBytes } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { openScratch } from '../support/scratch.ts';
import { idsOfPartition, lines, type Reply, save, TestPublisher } from '../support/test-publisher.ts';
import { startWorker, type TestWorker } from '../support/test-worker.ts';

const scratch = await openScratch();
const COUNT = 30;
/** Of random digits, which PostgreSQL cannot compress much. */
const DOCUMENT_BYTES = 100_000;
const MIB = 1_048_576;
const ids = idsOfPartition(0, COUNT, 'large').toSorted();
const documents = ids.map(() => `{"x": "${randomBytes(DOCUMENT_BYTES / 2).toString('hex')}"}`);
let worker: TestWorker;
let publisher: TestPublisher;

beforeAll(async () => {
  worker = await startWorker(scratch, { replyBytesMax: MIB, documentBytesMax: MIB });
  publisher = await TestPublisher.open(scratch);
  for (const [n, id] of ids.entries()) {
    await publisher.request(save({ id, type: 'Large', version: 1 }, documents[n]));
  }
});

const list = (fields: object): Promise<Reply> =>
  publisher.request(lines({ list: { type: 'Large', documents: true, ...fields } }), { loads: true });

describe('a list of more documents than are read at once', () => {
  it.each([
    ['is whole', COUNT + 1],
    ['ends at its limit', COUNT - 1],
    ['may be of one object', 1],
  ])('%s', async (_, limit) => {
    const count = Math.min(limit, COUNT);
    const found = await worker.metric('holdfast_commands_total', { outcome: 'found' });
    const replies = await worker.metric('holdfast_replies_total');
    const { text, parts } = await list({ limit });
    const received = text.trimEnd().split('\n');
    expect(
      received.filter((_line, index) => index % 2 === 0).map((line) => JSON.parse(line) as unknown),
    ).toEqual(
      ids
        .slice(0, count)
        .map((id) => ({ id, outcome: 'found', type: 'Large', version: 1, epoch: 0, nextRcseq: 0 })),
    );
    expect(received.filter((_line, index) => index % 2 === 1)).toEqual(documents.slice(0, count));
    // Parts of what was read at once, which is less than a part may hold.
    expect(Math.max(...parts.map(({ content }) => content.length))).toBeLessThan(MIB);
    expect(parts.map(({ properties }) => properties.headers as unknown)).toMatchObject(
      parts.map((__, part) => ({ 'holdfast-part': part, 'holdfast-last': part === parts.length - 1 })),
    );
    expect(await worker.metric('holdfast_commands_total', { outcome: 'found' })).toBe(found + 1);
    expect(await worker.metric('holdfast_replies_total')).toBe(replies + 1);
  });

  it('of nothing is one empty part', async () => {
    const { text, parts } = await list({ type: 'Nothing' });
    expect([text, parts.length]).toEqual(['', 1]);
  });
});
