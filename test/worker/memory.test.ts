/** More than a worker may hold in memory. Goal: it gives queues back, goes on in smaller helpings, and loses nothing. */
import { describe, expect, it } from 'vitest';
import { within } from '../support/eventually.ts';
import { openScratch, PARTITIONS } from '../support/scratch.ts';
import { idsOfPartition, load, save, TestPublisher } from '../support/test-publisher.ts';
import { startWorker } from '../support/test-worker.ts';
import { uncaughtDuring } from '../support/uncaught.ts';

const scratch = await openScratch();
const MIB = 1_048_576;

describe('a worker that is sent more than it may hold', () => {
  it('subscribes anew with less ahead of it, while it is writing, and finishes everything in order', async () => {
    const running = await startWorker(scratch, {
      writers: 1,
      batchBytesMax: MIB,
      inFlightBytesMax: 2 * MIB,
      prefetchFramesMax: 64,
    });
    const publisher = await TestPublisher.open(scratch);
    const ids = Array.from({ length: PARTITIONS }, (_, partition) =>
      idsOfPartition(partition, 2, 'heavy'),
    ).flat();
    const versions = 12;
    const padding = 'x'.repeat(250_000);
    const uncaught = await uncaughtDuring(async () => {
      const sent: Promise<void>[] = [];
      for (let version = 1; version <= versions; version += 1) {
        for (const id of ids) {
          sent.push(publisher.send(save({ id, version }, `{"v":${version},"padding":"${padding}"}`)));
        }
      }
      await Promise.all(sent);
      for (const id of ids) {
        const reply = within(20_000, 'a load', publisher.request(load({ id, document: false })));
        expect((await reply).lines).toMatchObject([{ outcome: 'found', version: versions }]);
      }
    });
    expect(uncaught).toEqual([]);
    expect(running.fatal).toEqual([]);
    // It did come to that.
    expect(await running.metric('holdfast_deliveries_total')).toBeGreaterThan(
      versions * ids.length + ids.length,
    );
  });
});
