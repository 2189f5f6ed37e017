/** Dead letters that RabbitMQ does not take. Goal: what they stand for waits with them, and goes on by itself. */
import type { Channel } from 'amqplib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, within } from '../support/eventually.ts';
import { openScratch } from '../support/scratch.ts';
import { idsOfPartition, lines, load, save, TestPublisher } from '../support/test-publisher.ts';
import { startWorker, type TestWorker } from '../support/test-worker.ts';

const scratch = await openScratch();
const { deadLetters } = scratch.names;
const LIMIT_MS = 10_000;
const POISON = lines('{"delete":{}}');

let worker: TestWorker;
let publisher: TestPublisher;
let channel: Channel;

beforeAll(async () => {
  worker = await startWorker(scratch, { writers: 2 });
  publisher = await TestPublisher.open(scratch);
  channel = await scratch.broker.createChannel();
});

afterAll(() => channel.close());

interface Obstacle {
  readonly block: () => Promise<unknown>;
  readonly unblock: () => Promise<unknown>;
}

const OBSTACLES: readonly (readonly [string, Obstacle])[] = [
  [
    'no exchange',
    {
      block: () => channel.deleteExchange(deadLetters),
      unblock: async () => {
        await channel.assertExchange(deadLetters, 'fanout', { durable: true });
        await channel.bindQueue(deadLetters, deadLetters, '');
      },
    },
  ],
  [
    'no queue',
    {
      block: () => channel.unbindQueue(deadLetters, deadLetters, ''),
      unblock: () => channel.bindQueue(deadLetters, deadLetters, ''),
    },
  ],
];

describe.each(OBSTACLES)('with %s for letters', (_name, { block, unblock }) => {
  it('a bad frame is neither answered nor lost, the worker says why, and goes on when it can', async () => {
    await block();
    const [id = ''] = idsOfPartition(0, 1, 'good');
    const asking = publisher.request(save({ id, version: 1 }) + POISON);
    await eventually(() => !worker.ready);
    expect(worker.worker.health.report().conditions['broker']?.reason).toContain('dead letters');
    expect(worker.worker.health.live).toBe(true);
    const letters = await worker.metric('holdfast_dead_letters_total');
    await unblock();
    expect((await within(LIMIT_MS, 'the reply', asking)).lines).toMatchObject([
      { outcome: 'applied' },
      { outcome: 'rejected' },
    ]);
    await eventually(() => worker.ready);
    expect(await worker.metric('holdfast_dead_letters_total')).toBe(letters + 1);
    expect(worker.fatal).toEqual([]);
  });

  it('good frames of other partitions are served all the same', async () => {
    await block();
    const asking = [0, 1].map((partition) => publisher.request(POISON, { partition }));
    await eventually(() => !worker.ready);
    for (const partition of [2, 3]) {
      const [id = ''] = idsOfPartition(partition, 1, 'served');
      const reply = publisher.request(save({ id, version: 1 }) + load({ id }));
      await within(3_000, `partition ${partition}`, reply);
    }
    await unblock();
    await within(LIMIT_MS, 'the replies', Promise.all(asking));
    await eventually(() => worker.ready);
  });
});
