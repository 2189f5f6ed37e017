/**
 * A consumer whose channels come and go. Goal: a message is acked only on the channel that delivered it, and only once
 * everything before it is settled; whatever else happens, it comes again, in order.
 */
import { describe, expect, it } from 'vitest';
import type { BrokerConnection } from '../../src/broker/broker-connection.ts';
import type { BrokerError } from '../../src/broker/broker-error.ts';
import { type Delivery, QueueConsumer, type QueueConsumerOptions } from '../../src/broker/queue-consumer.ts';
import { eventually, within } from '../support/eventually.ts';
import { openScratch } from '../support/scratch.ts';
import {
  brokerConnection,
  connected,
  empty,
  fill,
  onChannel,
  proxied,
  RETRY,
  SOON_MS,
  testQueue,
} from '../support/test-broker.ts';
import { uncaughtDuring } from '../support/uncaught.ts';

const scratch = await openScratch();
/** Returned messages go to the head, in order, as those of a partition do. */
const QUORUM = { arguments: { 'x-queue-type': 'quorum', 'x-delivery-limit': 50 } };

class Consumed {
  readonly consumer: QueueConsumer;
  readonly deliveries: Delivery[] = [];
  readonly losses: BrokerError[] = [];
  opened = 0;

  constructor(connection: BrokerConnection, queue: string, more: Partial<QueueConsumerOptions> = {}) {
    this.consumer = new QueueConsumer(connection, {
      queue,
      prefetchCount: () => 100,
      onDelivery: (delivery) => this.deliveries.push(delivery),
      onOpen: () => {
        this.opened += 1;
      },
      onLost: (error) => this.losses.push(error),
      ...RETRY,
      ...more,
    });
    scratch.onEnd(() => this.consumer.close());
  }

  static async start(connection: BrokerConnection, queue: string, more: Partial<QueueConsumerOptions> = {}) {
    const consumed = new Consumed(connection, queue, more);
    consumed.consumer.start();
    await eventually(() => consumed.consumer.open);
    return consumed;
  }

  get texts(): string[] {
    return this.deliveries.map(({ body }) => body.toString());
  }

  async atLeast(count: number): Promise<Delivery[]> {
    return await eventually(() => this.deliveries.length >= count && this.deliveries);
  }
}

const numbers = (from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, index) => String(from + index));

describe('a delivery', () => {
  it('carries what was published, and nothing where nothing was', async () => {
    const queue = await testQueue(scratch);
    const consumed = await Consumed.start(await connected(brokerConnection(scratch)), queue);
    const channel = await scratch.broker.createConfirmChannel();
    channel.sendToQueue(queue, Buffer.from('bare'));
    channel.sendToQueue(queue, Buffer.from('full'), {
      type: 'T',
      messageId: 'm',
      replyTo: 'r',
      correlationId: 'c',
      appId: 'a',
      timestamp: 1_763_894_400,
      headers: { 'x-a': 1, traceparent: 't' },
    });
    await channel.waitForConfirms();
    await channel.close();
    const [bare, full] = await consumed.atLeast(2);
    const nothing = { type: undefined, messageId: undefined, replyTo: undefined, correlationId: undefined };
    expect(bare).toMatchObject({ ...nothing, appId: undefined, timestamp: undefined, redelivered: false });
    expect(bare?.headers).toEqual({});
    expect(full).toMatchObject({
      type: 'T',
      messageId: 'm',
      replyTo: 'r',
      correlationId: 'c',
      appId: 'a',
      timestamp: 1_763_894_400,
      headers: { 'x-a': 1, traceparent: 't' },
    });
    expect(full?.body.toString()).toBe('full');
  });

  it('is gone for good once it was settled and the consumer closed', async () => {
    const queue = await testQueue(scratch, QUORUM);
    await fill(scratch, queue, numbers(1, 10));
    const consumed = await Consumed.start(await connected(brokerConnection(scratch)), queue);
    for (const delivery of await consumed.atLeast(10)) delivery.settle();
    await consumed.consumer.close();
    expect(await empty(scratch, queue)).toEqual([]);
  });

  it.each([
    ['nothing of a run is acked whose first is not settled', [2, 3, 4, 5], numbers(1, 5)],
    ['the settled beginning is acked', [1, 2, 4], numbers(3, 5)],
    ['a gap that was closed is crossed', [3, 2, 1], numbers(4, 5)],
  ])('%s; the rest comes again in order', async (_name, settled, again) => {
    const queue = await testQueue(scratch, QUORUM);
    await fill(scratch, queue, numbers(1, 5));
    const connection = await connected(brokerConnection(scratch));
    const consumed = await Consumed.start(connection, queue);
    const deliveries = [...(await consumed.atLeast(5))];
    for (const number of settled) deliveries[number - 1]?.settle();
    await consumed.consumer.close();
    const successor = await Consumed.start(connection, queue);
    await successor.atLeast(again.length);
    expect(successor.texts).toEqual(again);
    expect(successor.deliveries.every(({ redelivered }) => redelivered)).toBe(true);
  });
});

describe('an old generation', () => {
  it('acks nothing on the channel that follows it', async () => {
    const queue = await testQueue(scratch, QUORUM);
    await fill(scratch, queue, numbers(1, 5));
    const { proxy, connection } = await proxied(scratch);
    const consumed = await Consumed.start(await connected(connection), queue);
    const old = [...(await consumed.atLeast(5))];
    proxy.cut();
    await consumed.atLeast(10);
    expect(old.map((delivery) => delivery.live())).toEqual(old.map(() => false));
    for (const delivery of old) delivery.settle();
    const fresh = consumed.deliveries.slice(5);
    expect(fresh.every((delivery) => delivery.live() && delivery.redelivered)).toBe(true);
    // Were the old ones acked here, this one would be the sixth ack of the channel, and close it.
    fresh[0]?.settle();
    await consumed.consumer.close();
    expect(await empty(scratch, queue)).toEqual(numbers(2, 5));
    expect(consumed.losses).toHaveLength(2);
  });

  it('may be settled while its channel is closing', async () => {
    const queue = await testQueue(scratch, QUORUM);
    await fill(scratch, queue, numbers(1, 5));
    const consumed = await Consumed.start(await connected(brokerConnection(scratch)), queue);
    const old = [...(await consumed.atLeast(5))];
    const uncaught = await uncaughtDuring(async () => {
      const reopening = consumed.consumer.reopen();
      for (const delivery of old) delivery.settle();
      await reopening;
      await eventually(() => consumed.opened === 2);
    });
    expect(uncaught).toEqual([]);
    // Either acked before the close or come again, but never lost and never an error.
    await consumed.consumer.close();
    expect(numbers(1, 5)).toEqual(expect.arrayContaining(await empty(scratch, queue)));
  });

  it('may be settled while the consumer is being closed', async () => {
    const queue = await testQueue(scratch, QUORUM);
    await fill(scratch, queue, numbers(1, 5));
    const consumed = await Consumed.start(await connected(brokerConnection(scratch)), queue);
    const old = [...(await consumed.atLeast(5))];
    const uncaught = await uncaughtDuring(async () => {
      const closing = consumed.consumer.close();
      for (const delivery of old) delivery.settle();
      await within(SOON_MS, 'closing', closing);
      for (const delivery of old) delivery.settle();
    });
    expect(uncaught).toEqual([]);
  });
});

describe('a consumer', () => {
  it('whose queue is deleted subscribes again once it is there again', async () => {
    const queue = await testQueue(scratch);
    const consumed = await Consumed.start(await connected(brokerConnection(scratch)), queue);
    await onChannel(scratch, (channel) => channel.deleteQueue(queue));
    await eventually(() => consumed.losses.length > 0);
    await eventually(() => consumed.consumer.lastError?.replyCode === 404);
    await onChannel(scratch, (channel) => channel.assertQueue(queue, { durable: true }));
    await eventually(() => consumed.opened === 2);
    await fill(scratch, queue, ['back']);
    await consumed.atLeast(1);
  });

  it('asks anew at each subscription how much may be sent ahead', async () => {
    const queue = await testQueue(scratch, QUORUM);
    await fill(scratch, queue, numbers(1, 9));
    const prefetches = [2, 5];
    const consumed = await Consumed.start(await connected(brokerConnection(scratch)), queue, {
      prefetchCount: () => prefetches.shift() ?? 1,
    });
    await consumed.atLeast(2);
    await consumed.consumer.reopen();
    await consumed.atLeast(7);
    // A round trip on the same queue: what was to come would have come.
    await onChannel(scratch, (channel) => channel.checkQueue(queue));
    expect(consumed.texts).toEqual(['1', '2', '1', '2', '3', '4', '5']);
  });

  it('of the higher priority is the single active one where both were there from the start', async () => {
    const queue = await testQueue(scratch, {
      arguments: { 'x-queue-type': 'quorum', 'x-single-active-consumer': true },
    });
    const connection = await connected(brokerConnection(scratch));
    const first = await Consumed.start(connection, queue, { priority: 5 });
    const second = await Consumed.start(connection, queue, { priority: 1 });
    await fill(scratch, queue, numbers(1, 3));
    await first.atLeast(3);
    expect(second.deliveries).toEqual([]);
    await first.consumer.close();
    await second.atLeast(3);
    expect(second.texts).toEqual(numbers(1, 3));
  });

  it.each([
    ['before it was started', async () => {}],
    [
      'while it subscribes',
      async (consumed: Consumed) => {
        consumed.consumer.start();
      },
    ],
    [
      'with deliveries on their way',
      async (consumed: Consumed) => {
        consumed.consumer.start();
        await consumed.atLeast(1);
      },
    ],
  ])('closed %s hangs nowhere and keeps nothing', async (_name, reach) => {
    const queue = await testQueue(scratch, QUORUM);
    await fill(scratch, queue, numbers(1, 20));
    const consumed = new Consumed(await connected(brokerConnection(scratch)), queue, {
      prefetchCount: () => 3,
    });
    await reach(consumed);
    await within(SOON_MS, 'closing', Promise.all([consumed.consumer.close(), consumed.consumer.close()]));
    expect(consumed.consumer.open).toBe(false);
    expect(await empty(scratch, queue)).toEqual(numbers(1, 20));
  });
});

describe('how often a message came back', () => {
  it('is counted by the broker, and is not what its publisher says', async () => {
    const queue = await testQueue(scratch, QUORUM);
    const connection = await connected(brokerConnection(scratch));
    await onChannel(scratch, async (channel) => {
      channel.sendToQueue(queue, Buffer.from('a'), { headers: { 'x-delivery-count': 9 } });
    });
    const consumed = await Consumed.start(connection, queue);
    expect((await consumed.atLeast(1)).map(({ returns }) => returns)).toEqual([0]);
    await consumed.consumer.reopen();
    expect((await consumed.atLeast(2))[1]?.redelivered).toBe(true);
  });
});
