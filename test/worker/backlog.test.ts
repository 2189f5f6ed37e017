/** What a writer is given, and when. Goal: suspects are alone, and nobody waits for them longer than they work. */
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
  it('is given unread with those that follow it, when nothing else is under way, and nothing else until they are released', async () => {
    const { backlog, given, take } = backlogOf(
      [
        ['a', 0],
        ['b', 9],
        ['c', 9],
        ['d', 0],
        ['e', 9],
      ],
      [
        ['x', 0],
        ['y', 9],
      ],
    );
    const first = await take();
    const second = take();
    const third = take();
    await turns();
    expect(given).toEqual(['a x']);
    backlog.release(first as Batch, NONE, 0);
    const suspects = (await second) as Batch;
    await turns();
    // Those of one partition, in front of which there is nothing else.
    expect(given).toEqual(['a x', 'b c']);
    expect(suspects.suspects).toBe(true);
    expect(suspects.frames.map(({ entries }) => entries)).toEqual([[], []]);
    backlog.release(suspects, NONE, 0);
    const next = (await third) as Batch;
    const last = take();
    await turns();
    expect(given).toEqual(['a x', 'b c', 'y']);
    backlog.release(next, NONE, 0);
    backlog.release((await last) as Batch, NONE, 0);
    await take();
    expect(given).toEqual(['a x', 'b c', 'y', 'd', 'e']);
  });

  it('that is to be alone is given by itself', async () => {
    const names = ['a', 'b', 'c', 'd'];
    const { backlog, given, take } = backlogOf(names.map((name) => [name, 9] as const));
    const together = (await take()) as Batch;
    for (const frame of together.frames.slice(1, 3)) frame.alone = true;
    backlog.release(together, new Set(together.frames), 0);
    for (let round = 0; round < 4; round += 1) backlog.release((await take()) as Batch, NONE, 0);
    expect(given).toEqual(['a b c d', 'a', 'b', 'c', 'd']);
  });

  it('is given with at most 63 others', async () => {
    const { backlog, take } = backlogOf(Array.from({ length: 70 }, (_, n) => [`n${n}`, 9] as const));
    const first = (await take()) as Batch;
    backlog.release(first, NONE, 0);
    const second = (await take()) as Batch;
    expect([first.frames.length, second.frames.length]).toEqual([64, 6]);
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
