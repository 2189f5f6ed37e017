/** Claims on real servers. Goal: each raises the epoch once, whoever had the object before is fenced, and nobody else is. */
import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { openScratch } from '../support/scratch.ts';
import { idsOfPartition, load, remove, save, TestPublisher } from '../support/test-publisher.ts';
import { startWorker } from '../support/test-worker.ts';

const scratch = await openScratch();
let publisher: TestPublisher;

beforeAll(async () => {
  await startWorker(scratch);
  publisher = await TestPublisher.open(scratch);
});

let objects = 0;
function newId(): string {
  objects += 1;
  return `claimed-${objects}`;
}

const claim = async (id: string, fields: object = {}, claimId: string = randomUUID()) =>
  (await publisher.request(load({ id, claim: claimId, ...fields }))).lines;

const outcomeOf = async (frame: string): Promise<string | undefined> =>
  (await publisher.request(frame)).lines[0]?.outcome;

const rowOf = async (id: string) =>
  (await scratch.sql.query<{ updated_at: Date }>('SELECT * FROM goverse_objects WHERE object_id = $1', [id]))
    .rows[0];

describe('a claim', () => {
  it('of an object that was never stored gives epoch 1, and fences saves without it', async () => {
    const id = newId();
    expect(await claim(id)).toEqual([{ id, outcome: 'absent', version: 0, epoch: 1 }]);
    expect(await outcomeOf(save({ id, version: 1 }))).toBe('fenced');
    expect(await outcomeOf(save({ id, version: 1, epoch: 1 }))).toBe('applied');
    expect(await claim(id)).toMatchObject([{ outcome: 'found', version: 1, epoch: 2 }, {}]);
  });

  it('of a live object returns it, and touches nothing but its epoch', async () => {
    const id = newId();
    await publisher.request(save({ id, version: 7, type: 'U', nextRcseq: 4 }, '{"a": 1}'));
    const before = await rowOf(id);
    expect(await claim(id)).toEqual([
      { id, outcome: 'found', type: 'U', version: 7, epoch: 1, nextRcseq: 4 },
      { a: 1 },
    ]);
    expect(await rowOf(id)).toEqual({ ...before, epoch: '1' });
  });

  it('of a deleted object says from which version to go on', async () => {
    const id = newId();
    await publisher.request(save({ id, version: 3 }) + remove({ id, version: 9 }));
    expect(await claim(id)).toEqual([{ id, outcome: 'absent', version: 9, epoch: 1 }]);
    expect(await outcomeOf(save({ id, version: 9, epoch: 1 }))).toBe('conflict');
    expect(await outcomeOf(save({ id, version: 10, epoch: 1 }))).toBe('applied');
  });

  it('gives the proposed epoch if it is higher than the next, else the next', async () => {
    const id = newId();
    const epochOf = async (epoch: number) => (await claim(id, { epoch }))[0]?.['epoch'];
    expect([await epochOf(100), await epochOf(5), await epochOf(101), await epochOf(103)]).toEqual([
      100, 101, 102, 103,
    ]);
  });

  it('without the document leaves that out', async () => {
    const id = newId();
    await publisher.request(save({ id, version: 1 }, '{"a":1}'));
    expect(await claim(id, { document: false })).toMatchObject([{ outcome: 'found', epoch: 1 }]);
  });

  it('comes after the saves before it and before those behind it, in one frame', async () => {
    const id = newId();
    const frame =
      save({ id, version: 1 }, '{"owner":"old"}') +
      load({ id, claim: randomUUID() }) +
      save({ id, version: 2 }, '{"owner":"old"}') +
      save({ id, version: 2, epoch: 1 }, '{"owner":"new"}');
    const { lines } = await publisher.request(frame);
    expect(lines.map(({ outcome }) => outcome).filter((outcome) => outcome !== undefined)).toEqual([
      'applied',
      'found',
      'fenced',
      'applied',
    ]);
    expect((await publisher.request(load({ id }))).lines[1]).toEqual({ owner: 'new' });
  });

  it('works for many objects in one frame', async () => {
    const ids = idsOfPartition(2, 300, 'many');
    const { lines } = await publisher.request(ids.map((id) => load({ id, claim: randomUUID() })).join(''));
    expect(lines).toEqual(ids.map((id) => ({ id, outcome: 'absent', version: 0, epoch: 1 })));
  });

  it('past the last epoch is rejected', async () => {
    const id = newId();
    await publisher.request(save({ id, version: 1, epoch: Number.MAX_SAFE_INTEGER }));
    expect(await claim(id)).toMatchObject([{ id, outcome: 'rejected', code: 'INVALID_COMMAND' }]);
  });
});

describe('a claim that comes again', () => {
  it('is given the same epoch, in another frame or in the same', async () => {
    const id = newId();
    const claimId = randomUUID();
    const again = load({ id, claim: claimId });
    const { lines } = await publisher.request(again + again);
    expect(lines.map(({ epoch }) => epoch)).toEqual([1, 1]);
    expect((await publisher.request(again)).lines[0]?.['epoch']).toBe(1);
    expect((await claim(id, {}, claimId.toUpperCase()))[0]?.['epoch']).toBe(1);
  });

  it('after a later claim is told its own epoch, and does not take the object back', async () => {
    const id = newId();
    const first = load({ id, claim: randomUUID() });
    await publisher.request(first);
    expect((await claim(id))[0]?.['epoch']).toBe(2);
    await publisher.request(save({ id, version: 1, epoch: 2 }));
    expect((await publisher.request(first)).lines[0]).toMatchObject({ outcome: 'found', epoch: 1 });
    expect(await outcomeOf(save({ id, version: 2, epoch: 1 }))).toBe('fenced');
    expect(await outcomeOf(save({ id, version: 2, epoch: 2 }))).toBe('applied');
  });

  it('for another object is another claim', async () => {
    const claimId = randomUUID();
    const [one, other] = [newId(), newId()];
    await claim(one);
    expect((await claim(one, {}, claimId))[0]?.['epoch']).toBe(2);
    expect((await claim(other, {}, claimId))[0]?.['epoch']).toBe(1);
  });

  it('keeps its epoch across a delete and a recreation', async () => {
    const id = newId();
    const first = load({ id, claim: randomUUID() });
    await publisher.request(first);
    const frame =
      save({ id, version: 1, epoch: 1 }) +
      remove({ id, version: 2, epoch: 1 }) +
      save({ id, version: 3, epoch: 1 });
    await publisher.request(frame);
    expect((await publisher.request(first)).lines[0]).toMatchObject({
      outcome: 'found',
      version: 3,
      epoch: 1,
    });
    expect((await claim(id))[0]?.['epoch']).toBe(2);
  });
});

describe('two owners', () => {
  it('that claim in turn are each fenced by the other, and every save of one owner goes on from its load', async () => {
    const id = newId();
    let version = 0;
    for (let turn = 1; turn <= 6; turn += 1) {
      const [line] = await claim(id);
      expect(line).toMatchObject({ version, epoch: turn });
      version += 1;
      expect(await outcomeOf(save({ id, version, epoch: turn }, `{"turn":${turn}}`))).toBe('applied');
      expect(await outcomeOf(save({ id, version: version + 50, epoch: turn - 1 }))).toBe('fenced');
    }
  });
});
