/**
 * Which worker a partition belongs to: the one with the highest hash of (worker, partition). Every worker computes the
 * same, partitions spread evenly, and one that joins or leaves moves only its own share.
 * Source: Thaler and Ravishankar, "Using name-based mappings to increase hit rates", IEEE/ACM ToN 6(1), 1998.
 */
import { fnv1a32 } from '../contract/partition.ts';
import type { PartitionKey } from './work-frame.ts';

/** The consumer priority of a worker for a partition, 0 to 2^31-1: RabbitMQ reads x-priority as a signed integer. */
export function consumerPriority(workerName: string, { partitionCount, partition }: PartitionKey): number {
  return mix(fnv1a32(`${workerName}/${partitionCount}.${partition}`)) >>> 1;
}

/**
 * The finaliser of MurmurHash3 (Appleby, public domain): FNV-1a alone hardly changes its high bits with the last
 * characters, which is all in which the partitions of one worker differ.
 */
function mix(hash: number): number {
  let mixed = hash ^ (hash >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}

/** The worker that a partition belongs to. */
export function idealOwner(workers: readonly string[], key: PartitionKey): string | undefined {
  let ideal: string | undefined;
  let highest = -1;
  for (const worker of workers) {
    const priority = consumerPriority(worker, key);
    // Equal priorities are one in 2^31; any order that is the same everywhere will do.
    if (priority < highest || (priority === highest && ideal !== undefined && worker > ideal)) continue;
    ideal = worker;
    highest = priority;
  }
  return ideal;
}
