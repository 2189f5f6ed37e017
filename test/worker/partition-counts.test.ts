/** The number of partitions is being changed: queues of the old number stand beside the new. Goal: both are drained. */
import { expect, it } from 'vitest';
import { declareTopology } from '../../src/broker/topology.ts';
import { partitionOf } from '../../src/contract/partition.ts';
import { within } from '../support/eventually.ts';
import { openScratch, PARTITIONS } from '../support/scratch.ts';
import { onChannel } from '../support/test-broker.ts';
import { load, type SendOptions, save, TestPublisher } from '../support/test-publisher.ts';
import { startWorker } from '../support/test-worker.ts';

const scratch = await openScratch();
const LIMIT_MS = 10_000;
const OLD = 2;
const IDS = Array.from({ length: 12 }, (_, n) => `moving-${n}`);

it('a worker drains what publishers of the old number sent, each number by its own arithmetic', async () => {
  await scratch.declare();
  await declareTopology(scratch.broker, scratch.names, OLD);
  scratch.onClose(() =>
    onChannel(scratch, async (channel) => {
      for (let partition = 0; partition < OLD; partition += 1) {
        await channel.deleteQueue(`${scratch.names.commandsExchange}.${OLD}.${partition}`);
      }
    }),
  );
  const publisher = await TestPublisher.open(scratch);
  const byOld = (id: string): SendOptions => ({ routingKey: `${OLD}.${partitionOf(id, OLD)}` });
  const waiting = IDS.map((id) => publisher.request(save({ id, version: 1 }), byOld(id)));
  const { worker, fatal } = await startWorker(scratch);
  for (const { lines } of await within(LIMIT_MS, 'the old ones', Promise.all(waiting))) {
    expect(lines).toMatchObject([{ outcome: 'applied' }]);
  }
  for (const id of IDS) {
    // Goes by the new number, and sees what went by the old one and was answered.
    expect((await publisher.request(load({ id }))).lines[0]).toMatchObject({ version: 1 });
    expect((await publisher.request(save({ id, version: 2 }))).lines).toMatchObject([{ outcome: 'applied' }]);
  }
  const [id = ''] = IDS.filter((each) => partitionOf(each, PARTITIONS) >= OLD);
  const wrong = await publisher.request(save({ id, version: 3 }), {
    routingKey: `${OLD}.${1 - partitionOf(id, OLD)}`,
  });
  expect(wrong.lines).toMatchObject([{ code: 'WRONG_PARTITION' }]);
  expect(wrong.lines[0]?.['message']).toContain(`${OLD}.${partitionOf(id, OLD)}`);
  expect(fatal).toEqual([]);
  await worker.stop();
});
