/** What a writer is given, and when. Goal: a suspect is alone, and nobody waits for it longer than it works. */
import { describe, expect, it } from 'vitest';
import { Backlog, type Batch, type PartitionBacklog } from '../../src/worker/backlog.ts';
import { WorkFrame } from '../../src/worker/work-frame.ts';
import { load } from '../support/test-publisher.ts';
import { deliveryOf } from '../support/work-frames.ts';

/** A backlog of two partitions, the given frames in each: a name, and how often it came back. */
function backlogOf(...partitions: readonly (readonly [name: string, returns: number])[][]): {
  backlog: Backlog;
  given: string[];
  take: () => Promise<Batch | undefined>;
} {
  const decoding = { documentBytesMax: 1_000, schemas: new Map() };
  const backlog = new Backlog({ batchCommandsMax: 100, batchBytesMax: 10_000, decoding });
  const add = (partition: PartitionBacklog, name: string, returns: number): void => {
    const delivery = deliveryOf(load({ id: name }), { messageId: name, redelivered: returns > 0, returns });
    backlog.add(partition, new WorkFrame(delivery, partition.key));
  };
  for (const [index, frames] of partitions.entries()) {
    const partition = backlog.partition({ partitionCount: 2, partition: index });
    for (const [name, returns] of frames) add(partition, name, returns);
  }
  const given: string[] = [];
  const take = async (): Promise<Batch | undefined> => {
    const batch = await backlog.take();
    if (batch !== undefined) given.push(namesOf(batch));
    return batch;
  };
  return { backlog, given, take };
}

const namesOf = ({ frames }: Batch): string => frames.map(({ delivery }) => delivery.messageId).join(' ');
/** Everything that can be given out at once has been. */
const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};
const NONE: ReadonlySet<WorkFrame> = new Set();

describe('a suspect', () => {
  it('is given alone and unread, when nothing else is under way, and nothing else until it is released', async () => {
    const { backlog, given, take } = backlogOf(
      [
        ['a', 0],
        ['b', 9],
        ['c', 9],
        ['d', 0],
        ['e', 0],
      ],
      [['x', 0]],
    );
    const first = await take();
    const second = take();
    const third = take();
    await turns();
    expect(given).toEqual(['a x']);
    backlog.release(first as Batch, NONE, 0);
    const suspect = (await second) as Batch;
    await turns();
    expect(given).toEqual(['a x', 'b']);
    expect(suspect.suspect?.entries).toEqual([]);
    backlog.release(suspect, NONE, 0);
    const next = (await third) as Batch;
    const last = take();
    await turns();
    expect(given).toEqual(['a x', 'b', 'c']);
    backlog.release(next, NONE, 0);
    await last;
    expect(given).toEqual(['a x', 'b', 'c', 'd e']);
  });

  it('that has come to wait for something lets the others go on, but not its own partition', async () => {
    const { backlog, given, take } = backlogOf(
      [
        ['b', 9],
        ['c', 0],
      ],
      [['x', 0]],
    );
    const suspect = (await take()) as Batch;
    const other = take();
    await turns();
    expect(given).toEqual(['b']);
    backlog.stalled(suspect);
    await other;
    void take();
    await turns();
    expect(given).toEqual(['b', 'x']);
    backlog.release(suspect, NONE, 0);
    await turns();
    expect(given).toEqual(['b', 'x', 'c']);
  });

  it('does not wait for a batch that waits itself', async () => {
    const { backlog, given, take } = backlogOf([['b', 9]], [['x', 0]]);
    const suspect = (await take()) as Batch;
    backlog.stalled(suspect);
    const other = (await take()) as Batch;
    backlog.stalled(other);
    expect(backlog.release(suspect, new Set(suspect.frames), 0)).toEqual([]);
    await take();
    expect(given).toEqual(['b', 'x', 'b']);
  });

  it('is none before it has come back five times', async () => {
    const { given, take } = backlogOf([
      ['a', 0],
      ['b', 4],
      ['c', 5],
    ]);
    await take();
    expect(given).toEqual(['a b']);
  });
});
