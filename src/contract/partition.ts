/** Where an object belongs: shard, partition, routing key and lock slot. Pure arithmetic, the same in every language. */
import { LOCK_SLOT_COUNT, PARTITION_COUNT_MAX, SHARD_COUNT } from './limits.ts';

const FNV_OFFSET_BASIS = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** FNV-1a, 32 bits, over the UTF-8 bytes of `text`. Source: draft-eastlake-fnv, section 2. */
export function fnv1a32(text: string): number {
  let hash = FNV_OFFSET_BASIS;
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    if (unit > 0x7f) return fnv1a32Bytes(Buffer.from(text, 'utf8'));
    hash = Math.imul(hash ^ unit, FNV_PRIME);
  }
  return hash >>> 0;
}

function fnv1a32Bytes(bytes: Uint8Array): number {
  let hash = FNV_OFFSET_BASIS;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, FNV_PRIME);
  return hash >>> 0;
}

/**
 * The shard of an object, 0 to 8191: FNV-1a of its id, unless the id names one as `shard#<N>/rest`.
 *
 * `<N>` is read as Goverse reads it (Go's `strconv.Atoi`: an optional sign and decimal digits); out of range or
 * unreadable, the id is hashed like any other.
 */
export function shardOf(id: string): number {
  if (id.startsWith('shard#')) {
    const match = /^shard#([+-]?[0-9]+)\//.exec(id);
    if (match !== null) {
      const shard = Number(match[1]);
      if (shard >= 0 && shard < SHARD_COUNT) return shard === 0 ? 0 : shard;
    }
  }
  return fnv1a32(id) % SHARD_COUNT;
}

/** The partition of a shard, 0 to `partitionCount - 1`. */
export function partitionOfShard(shard: number, partitionCount: number): number {
  return shard % partitionCount;
}

/** The partition of an object, 0 to `partitionCount - 1`. */
export function partitionOf(id: string, partitionCount: number): number {
  return shardOf(id) % partitionCount;
}

/** The advisory lock slot of a shard, 0 to 63; does not depend on the number of partitions. */
export function lockSlotOf(shard: number): number {
  return shard % LOCK_SLOT_COUNT;
}

/** Whether `count` is a number of partitions: a power of two from 1 to 64. */
export function isPartitionCount(count: number): boolean {
  return Number.isInteger(count) && count >= 1 && count <= PARTITION_COUNT_MAX && (count & (count - 1)) === 0;
}
