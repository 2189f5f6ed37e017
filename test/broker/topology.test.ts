/** The exchanges and queues as other programs rely on them: declared here again with the arguments that DESIGN gives. */
import type { Options } from 'amqplib';
import { describe, expect, it } from 'vitest';
import { declareTopology, deleteTopology, readQueue } from '../../src/broker/topology.ts';
import { namesFor } from '../../src/contract/names.ts';
import { eventually } from '../support/eventually.ts';
import { Letters } from '../support/letters.ts';
import { openScratch, PARTITIONS } from '../support/scratch.ts';
import { fill, onChannel } from '../support/test-broker.ts';

const scratch = await openScratch();
await scratch.declare();
const prefix = scratch.names.prefix;

const COMMANDS: Options.AssertQueue = {
  durable: true,
  arguments: {
    'x-queue-type': 'quorum',
    'x-single-active-consumer': true,
    'x-delivery-limit': 50,
    'x-overflow': 'reject-publish',
    'x-dead-letter-exchange': `${prefix}.dead-letters`,
    'x-dead-letter-strategy': 'at-least-once',
  },
};

/** The first message of a queue, which is then gone, or back at its head because its channel closes. */
async function takeOne(queue: string, fate: 'ack' | 'return'): Promise<string> {
  return await onChannel(scratch, async (channel) => {
    await channel.prefetch(1);
    return await new Promise<string>((resolve) => {
      void channel.consume(queue, (message) => {
        if (message === null) return;
        if (fate === 'ack') channel.ack(message);
        resolve(message.content.toString());
      });
    });
  });
}

describe('the topology', () => {
  it('has the exchanges and queues of the contract', async () => {
    await onChannel(scratch, async (channel) => {
      await channel.assertExchange(`${prefix}.commands`, 'direct', { durable: true });
      await channel.assertExchange(`${prefix}.dead-letters`, 'fanout', { durable: true });
      await channel.assertExchange(`${prefix}.workers`, 'fanout', { durable: true });
      await channel.assertQueue(`${prefix}.loads`, {
        durable: true,
        arguments: { 'x-queue-type': 'classic' },
      });
      await channel.checkQueue(`${prefix}.dead-letters`);
      for (let partition = 0; partition < PARTITIONS; partition += 1) {
        await channel.assertQueue(`${prefix}.commands.${PARTITIONS}.${partition}`, COMMANDS);
      }
    });
  });

  it('routes `<N>.<partition>` to the queue of that name, and nothing else', async () => {
    const returned: string[] = [];
    const channel = await scratch.broker.createConfirmChannel();
    channel.on('return', ({ fields }) => returned.push(fields.routingKey));
    for (const key of [`${PARTITIONS}.0`, `${PARTITIONS}.3`, '16.0', '0', `${PARTITIONS}.${PARTITIONS}`]) {
      channel.publish(`${prefix}.commands`, key, Buffer.from(key), { mandatory: true });
    }
    await channel.waitForConfirms();
    expect(returned).toEqual(['16.0', '0', `${PARTITIONS}.${PARTITIONS}`]);
    await channel.close();
    for (const key of [`${PARTITIONS}.0`, `${PARTITIONS}.3`]) {
      expect(await takeOne(`${prefix}.commands.${key}`, 'ack')).toBe(key);
    }
  });

  it('may be declared again, by many at once, and beside another number of partitions', async () => {
    await Promise.all([1, 2, 3].map(() => declareTopology(scratch.broker, scratch.names, PARTITIONS)));
    await declareTopology(scratch.broker, scratch.names, 2);
    await onChannel(scratch, async (channel) => {
      for (const queue of ['2.0', '2.1', '4.0', '4.3'])
        await channel.checkQueue(`${prefix}.commands.${queue}`);
      for (const partition of [0, 1]) await channel.deleteQueue(`${prefix}.commands.2.${partition}`);
    });
  });

  it('that exists with other arguments is refused as a matter of configuration', async () => {
    const names = namesFor(`${prefix}-other`);
    await onChannel(scratch, (channel) => channel.assertQueue(names.loadsQueue, { durable: false }));
    await expect(declareTopology(scratch.broker, names, 1)).rejects.toMatchObject({
      name: 'BrokerError',
      code: 'BROKER_TOPOLOGY',
      scope: 'process',
      replyCode: 406,
    });
    await deleteTopology(scratch.broker, names, [1]);
  });

  it('sets a message aside that came back too often, as a letter that says so itself', async () => {
    const queue = `${prefix}.commands.${PARTITIONS}.2`;
    const letters = await Letters.open(scratch);
    await fill(scratch, queue, ['poison', 'behind it']);
    for (let time = 0; time <= 50; time += 1) expect(await takeOne(queue, 'return')).toBe('poison');
    expect(await takeOne(queue, 'ack')).toBe('behind it');
    const [letter] = await eventually(() => letters.all.length > 0 && letters.all);
    expect(letter?.body).toBe('poison');
    expect(letter?.headers['x-death']).toMatchObject([{ reason: 'delivery_limit', queue }]);
  });
});

describe('reading a queue', () => {
  it('counts consumers, and knows nothing of a queue that is not there', async () => {
    const state = await readQueue(scratch.broker, scratch.names.loadsQueue);
    expect(state).toEqual({ queue: scratch.names.loadsQueue, messages: 0, consumers: 0 });
    expect(await readQueue(scratch.broker, `${prefix}.none`)).toBeUndefined();
  });
});
