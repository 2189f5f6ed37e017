/** Finds the queues of an installation, whatever number of partitions it has or had, and counts what is in them. */
import type { ChannelModel } from 'amqplib';
import { PARTITION_COUNT_MAX } from '../contract/limits.ts';
import { commandsQueue, type Names } from '../contract/names.ts';
import { type QueueState, readQueue } from './topology.ts';

/** The command queues of one number of partitions; those that do not exist are missing. */
export interface PartitionQueues {
  readonly partitionCount: number;
  /** By partition. */
  readonly queues: readonly (QueueState | undefined)[];
}

/** Every number of partitions there may be: the powers of two up to 64. */
const PARTITION_COUNTS = Array.from({ length: Math.log2(PARTITION_COUNT_MAX) + 1 }, (_, power) => 2 ** power);

/** The command queues of one number of partitions. @throws BrokerError */
export async function readPartitionQueues(
  model: ChannelModel,
  names: Names,
  partitionCount: number,
): Promise<PartitionQueues> {
  const queues = Array.from({ length: partitionCount }, (_, partition) =>
    readQueue(model, commandsQueue(names, partitionCount, partition)),
  );
  return { partitionCount, queues: await Promise.all(queues) };
}

/** The command queues of every number of partitions of which there is at least one queue. @throws BrokerError */
export async function findPartitionQueues(model: ChannelModel, names: Names): Promise<PartitionQueues[]> {
  const found: PartitionQueues[] = [];
  for (const partitionCount of PARTITION_COUNTS) {
    const partitions = await readPartitionQueues(model, names, partitionCount);
    if (partitions.queues.some((queue) => queue !== undefined)) found.push(partitions);
  }
  return found;
}
