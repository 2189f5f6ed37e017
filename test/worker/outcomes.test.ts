/**
 * Every outcome of the contract, the same sequences three times: one command after the other, all in one frame, and in
 * frames that are published at once. Goal: batching and folding change nothing but which of two successes is told.
 */
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { openScratch, PARTITIONS } from '../support/scratch.ts';
import { idsOfPartition, load, remove, save, TestPublisher } from '../support/test-publisher.ts';
import { startWorker, type TestWorker } from '../support/test-worker.ts';

const scratch = await openScratch();
let publisher: TestPublisher;
let worker: TestWorker;

beforeAll(async () => {
  worker = await startWorker(scratch);
  publisher = await TestPublisher.open(scratch);
});

afterEach(() => expect(worker.fatal).toEqual([]));

type Expected = 'applied' | 'superseded' | 'fenced' | 'conflict';

interface Step {
  /** Without the id. */
  readonly command: { readonly save?: object; readonly delete?: object };
  readonly document?: string;
  readonly expected: Expected;
  /** Version and epoch of the reply. */
  readonly stored: readonly [version: number, epoch: number];
}

const s = (
  fields: object,
  expected: Expected,
  stored: readonly [number, number],
  document = '{"a":1}',
): Step => ({
  command: { save: { type: 'T', ...fields } },
  document,
  expected,
  stored,
});
const d = (fields: object, expected: Expected, stored: readonly [number, number]): Step => ({
  command: { delete: fields },
  expected,
  stored,
});

const SEQUENCES: Readonly<Record<string, readonly Step[]>> = {
  'a first save is applied': [s({ version: 5 }, 'applied', [5, 0])],
  'a newer save is applied': [s({ version: 5 }, 'applied', [5, 0]), s({ version: 6 }, 'applied', [6, 0])],
  'an older save is superseded': [
    s({ version: 5 }, 'applied', [5, 0]),
    s({ version: 4 }, 'superseded', [5, 0]),
  ],
  'the same save again is applied': [
    s({ version: 5 }, 'applied', [5, 0]),
    s({ version: 5 }, 'applied', [5, 0]),
  ],
  'the same content in other words is the same': [
    s({ version: 5 }, 'applied', [5, 0], '{"a":1,"b":[true,null]}'),
    s({ version: 5 }, 'applied', [5, 0], ' { "b" : [true , null] , "a" : 1.0 , "a" : 1 } '),
  ],
  'other content of the same version is a conflict': [
    s({ version: 5 }, 'applied', [5, 0]),
    s({ version: 5 }, 'conflict', [5, 0], '{"a":2}'),
  ],
  'another type of the same version is a conflict': [
    s({ version: 5 }, 'applied', [5, 0]),
    s({ version: 5, type: 'U' }, 'conflict', [5, 0]),
  ],
  'a delete is applied, also of what is not there': [
    d({ version: 5 }, 'applied', [5, 0]),
    d({ version: 6 }, 'applied', [6, 0]),
  ],
  'the same delete again is applied': [
    s({ version: 4 }, 'applied', [4, 0]),
    d({ version: 5 }, 'applied', [5, 0]),
    d({ version: 5 }, 'applied', [5, 0]),
  ],
  'a delete equals no save of its version, and no save a delete': [
    s({ version: 5 }, 'applied', [5, 0]),
    d({ version: 5 }, 'conflict', [5, 0]),
    d({ version: 6 }, 'applied', [6, 0]),
    s({ version: 6 }, 'conflict', [6, 0]),
  ],
  'a deleted object does not come back with what is older': [
    s({ version: 5 }, 'applied', [5, 0]),
    d({ version: 7 }, 'applied', [7, 0]),
    s({ version: 6 }, 'superseded', [7, 0]),
  ],
  'a deleted object comes back with what is newer': [
    d({ version: 7 }, 'applied', [7, 0]),
    s({ version: 8 }, 'applied', [8, 0]),
  ],
  'a lower epoch is fenced, whatever its version': [
    s({ version: 5, epoch: 3 }, 'applied', [5, 3]),
    s({ version: 9, epoch: 2 }, 'fenced', [5, 3]),
    s({ version: 5, epoch: 2 }, 'fenced', [5, 3]),
    s({ version: 1, epoch: 2 }, 'fenced', [5, 3]),
    d({ version: 9 }, 'fenced', [5, 3]),
    s({ version: 9, epoch: 2, ifVersion: 5 }, 'fenced', [5, 3]),
  ],
  'a higher epoch does not make an older version newer': [
    s({ version: 5, epoch: 1 }, 'applied', [5, 1]),
    s({ version: 4, epoch: 2 }, 'superseded', [5, 1]),
  ],
  'the same content under a higher epoch is applied, and the stored epoch stays': [
    s({ version: 5, epoch: 1 }, 'applied', [5, 1]),
    s({ version: 5, epoch: 2 }, 'applied', [5, 1]),
    s({ version: 6, epoch: 1 }, 'applied', [6, 1]),
  ],
  'a newer save of a higher epoch raises the epoch': [
    s({ version: 5, epoch: 1 }, 'applied', [5, 1]),
    s({ version: 6, epoch: 4 }, 'applied', [6, 4]),
    d({ version: 7, epoch: 3 }, 'fenced', [6, 4]),
  ],
  'ifVersion 0 wants no live object': [
    s({ version: 5, ifVersion: 0 }, 'applied', [5, 0]),
    s({ version: 6, ifVersion: 0 }, 'conflict', [5, 0]),
    d({ version: 7 }, 'applied', [7, 0]),
    s({ version: 8, ifVersion: 0 }, 'applied', [8, 0]),
  ],
  'ifVersion n wants exactly that live version': [
    s({ version: 5 }, 'applied', [5, 0]),
    s({ version: 6, ifVersion: 5 }, 'applied', [6, 0]),
    s({ version: 7, ifVersion: 5 }, 'conflict', [6, 0]),
    d({ version: 8, ifVersion: 6 }, 'applied', [8, 0]),
    s({ version: 9, ifVersion: 8 }, 'conflict', [8, 0]),
  ],
  'ifVersion goes before the order of versions, and equality before both': [
    s({ version: 5 }, 'applied', [5, 0]),
    s({ version: 4, ifVersion: 5 }, 'superseded', [5, 0]),
    s({ version: 4, ifVersion: 3 }, 'conflict', [5, 0]),
    s({ version: 5, ifVersion: 3 }, 'applied', [5, 0]),
  ],
  'what was refused leaves the next one as if it had not been': [
    s({ version: 5 }, 'applied', [5, 0]),
    s({ version: 9, ifVersion: 1 }, 'conflict', [5, 0]),
    s({ version: 6 }, 'applied', [6, 0]),
  ],
};

const textOf = (id: string, { command, document }: Step): string =>
  command.save === undefined
    ? remove({ id, version: 1, ...command.delete })
    : save({ id, version: 1, ...command.save }, document);

const lineOf = (id: string, { expected, stored: [version, epoch] }: Step) => ({
  id,
  outcome: expected,
  version,
  epoch,
});

/** In a batch a save may also be superseded by a newer one beside it, whose version is then told: a success as well. */
const asSuccess = (line: { readonly outcome?: string }): object =>
  line.outcome === 'applied' || line.outcome === 'superseded' ? { outcome: 'success' } : line;

let objects = 0;

/** Another object each time, in one partition after the other. */
function newId(): string {
  objects += 1;
  return idsOfPartition(objects % PARTITIONS, 1, `object-${objects}`)[0] ?? '';
}

/** What is stored in the end, without the id. */
async function stateOf(id: string): Promise<string> {
  return (await publisher.request(load({ id }))).text.replaceAll(id, '');
}

describe.each(Object.entries(SEQUENCES))('%s', (_name, steps) => {
  let state = '';

  it('one after the other', async () => {
    const id = newId();
    for (const step of steps) {
      const { lines } = await publisher.request(textOf(id, step));
      expect(lines).toEqual([lineOf(id, step)]);
    }
    state = await stateOf(id);
  });

  it('in one frame', async () => {
    const id = newId();
    const { lines } = await publisher.request(steps.map((step) => textOf(id, step)).join(''));
    expect(lines.map(asSuccess)).toEqual(steps.map((step) => asSuccess(lineOf(id, step))));
    expect(await stateOf(id)).toBe(state);
  });

  it('in frames published at once', async () => {
    const id = newId();
    const replies = await Promise.all(steps.map((step) => publisher.request(textOf(id, step))));
    expect(replies.flatMap(({ lines }) => lines.map(asSuccess))).toEqual(
      steps.map((step) => asSuccess(lineOf(id, step))),
    );
    expect(await stateOf(id)).toBe(state);
  });
});

describe('hot objects', () => {
  it('are written once for each batch, and end at their newest version', async () => {
    const ids = idsOfPartition(1, 5, 'hot');
    const versions = 400;
    const frames = Array.from({ length: versions / 20 }, (_, frame) =>
      Array.from({ length: 20 }, (_each, n) => {
        const version = 1 + frame * 20 + n;
        return ids.map((id) => save({ id, version }, `{"v":${version}}`)).join('');
      }).join(''),
    );
    const rowsBefore = await worker.metric('holdfast_batch_rows_sum');
    const replies = await Promise.all(frames.map((frame) => publisher.request(frame)));
    const outcomes = replies.flatMap(({ lines }) => lines.map(({ outcome }) => outcome));
    expect(outcomes).toHaveLength(versions * ids.length);
    expect(new Set(outcomes)).toEqual(new Set(['applied', 'superseded']));
    const rows = (await worker.metric('holdfast_batch_rows_sum')) - rowsBefore;
    expect(rows).toBeLessThanOrEqual(frames.length * ids.length);
    for (const id of ids) {
      const { lines } = await publisher.request(load({ id }));
      expect(lines).toEqual([
        { id, outcome: 'found', type: 'T', version: versions, epoch: 0, nextRcseq: 0 },
        { v: versions },
      ]);
    }
  });

  it('carry the highest call sequence of what was folded, until they are deleted', async () => {
    const id = newId();
    const at = async () => (await publisher.request(load({ id, document: false }))).lines[0]?.['nextRcseq'];
    await publisher.request(
      save({ id, version: 1, nextRcseq: 7 }) +
        save({ id, version: 2, nextRcseq: 3 }) +
        save({ id, version: 3 }),
    );
    expect(await at()).toBe(7);
    await publisher.request(save({ id, version: 4, nextRcseq: 2 }));
    expect(await at()).toBe(7);
    await publisher.request(remove({ id, version: 5 }) + save({ id, version: 6, nextRcseq: 1 }));
    expect(await at()).toBe(1);
  });
});
