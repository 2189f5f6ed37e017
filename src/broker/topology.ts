/** The exchanges and queues of an installation: declared, checked, counted. */
import type { Channel, ChannelModel, Options } from 'amqplib';
import { commandsQueue, type Names, routingKey } from '../contract/names.ts';
import { BrokerError, toBrokerError } from './broker-error.ts';

/**
 * How often a message may return to its queue before it is dead-lettered. Every loss of a channel costs one life of
 * everything unacked on it, so it is well above what a bad day brings, and low enough that a message which kills its
 * worker is set aside.
 */
const DELIVERY_LIMIT = 50;

/** n.b. Arguments of a queue never change: a queue declared otherwise is refused with 406 PRECONDITION_FAILED. */
function commandsQueueOptions(names: Names): Options.AssertQueue {
  return {
    durable: true,
    arguments: {
      'x-queue-type': 'quorum',
      'x-single-active-consumer': true,
      // Also decides that returned messages go to the head, in order (RabbitMQ before 4).
      'x-delivery-limit': DELIVERY_LIMIT,
      'x-overflow': 'reject-publish',
      'x-dead-letter-exchange': names.deadLetters,
      'x-dead-letter-strategy': 'at-least-once',
    },
  };
}

/**
 * RabbitMQ 4 drops what returned to a quorum queue 20 times unless told otherwise, and a letter has nowhere else to
 * go. Its word for no limit, -1, is refused by 3.10; a billion means the same to both.
 */
const NO_DELIVERY_LIMIT = 1_000_000_000;

const DEAD_LETTERS_OPTIONS: Options.AssertQueue = {
  durable: true,
  arguments: {
    'x-queue-type': 'quorum',
    'x-delivery-limit': NO_DELIVERY_LIMIT,
    'x-overflow': 'reject-publish',
  },
};

/** Declares what all numbers of partitions share. Safe to repeat. */
async function declareShared(channel: Channel, names: Names): Promise<void> {
  await channel.assertExchange(names.commandsExchange, 'direct', { durable: true });
  await channel.assertExchange(names.deadLetters, 'fanout', { durable: true });
  await channel.assertExchange(names.workersExchange, 'fanout', { durable: true });
  await channel.assertQueue(names.deadLetters, DEAD_LETTERS_OPTIONS);
  await channel.bindQueue(names.deadLetters, names.deadLetters, '');
  await channel.assertQueue(names.loadsQueue, { durable: true, arguments: { 'x-queue-type': 'classic' } });
}

/**
 * Declares everything for a number of partitions. Safe to repeat, and beside another number.
 *
 * @throws BrokerError `BROKER_TOPOLOGY` if something of that name exists with other arguments.
 */
export async function declareTopology(
  model: ChannelModel,
  names: Names,
  partitionCount: number,
): Promise<void> {
  await onChannel(model, async (channel) => {
    await declareShared(channel, names);
    for (let partition = 0; partition < partitionCount; partition += 1) {
      const queue = commandsQueue(names, partitionCount, partition);
      await channel.assertQueue(queue, commandsQueueOptions(names));
      await channel.bindQueue(queue, names.commandsExchange, routingKey(partitionCount, partition));
    }
  });
}

/** What RabbitMQ says of a queue; `undefined` if there is none of that name. */
export interface QueueState {
  readonly queue: string;
  /** Messages ready to be delivered. Quorum queues report this some seconds late. */
  readonly messages: number;
  readonly consumers: number;
}

export async function readQueue(model: ChannelModel, queue: string): Promise<QueueState | undefined> {
  try {
    return await onChannel(model, async (channel) => {
      const { messageCount, consumerCount } = await channel.checkQueue(queue);
      return { queue, messages: messageCount, consumers: consumerCount };
    });
  } catch (error) {
    if (error instanceof BrokerError && error.replyCode === 404) return undefined;
    throw error;
  }
}

/** Deletes everything of a prefix that the given numbers of partitions name. For tests and for leaving. */
export async function deleteTopology(
  model: ChannelModel,
  names: Names,
  partitionCounts: readonly number[],
): Promise<void> {
  await onChannel(model, async (channel) => {
    for (const partitionCount of partitionCounts) {
      for (let partition = 0; partition < partitionCount; partition += 1) {
        await channel.deleteQueue(commandsQueue(names, partitionCount, partition));
      }
    }
    await channel.deleteQueue(names.deadLetters);
    await channel.deleteQueue(names.loadsQueue);
    await channel.deleteExchange(names.commandsExchange);
    await channel.deleteExchange(names.deadLetters);
    await channel.deleteExchange(names.workersExchange);
  });
}

/** Runs something on a channel of its own, which an error closes. */
async function onChannel<T>(model: ChannelModel, run: (channel: Channel) => Promise<T>): Promise<T> {
  const channel = await model.createChannel().catch((error: unknown) => {
    throw toBrokerError(error);
  });
  let reason: BrokerError | undefined;
  channel.on('error', (error) => {
    reason = toBrokerError(error);
  });
  try {
    const result = await run(channel);
    await channel.close();
    return result;
  } catch (error) {
    await channel.close().catch(() => undefined);
    throw reason ?? toBrokerError(error);
  }
}
