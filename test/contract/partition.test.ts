import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  fnv1a32,
  isPartitionCount,
  lockSlotOf,
  partitionOf,
  partitionOfShard,
  shardOf,
} from '../../src/contract/partition.ts';

const PARTITION_COUNTS = [1, 2, 4, 8, 16, 32, 64];

/** FNV-1a by its definition, with big integers over UTF-8 bytes. */
function hashModel(text: string): number {
  let hash = 2_166_136_261n;
  for (const byte of Buffer.from(text, 'utf8')) hash = ((hash ^ BigInt(byte)) * 16_777_619n) % 4_294_967_296n;
  return Number(hash);
}

const texts = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }));

describe('the hash', () => {
  test.each([
    ['', 0x811c9dc5],
    ['a', 0xe40c292c],
    ['b', 0xe70c2de5],
    ['foo', 0xa9f37ed7],
    ['foobar', 0xbf9cf968],
  ])('of %j is the one published with the algorithm', (text, hash) => {
    expect(fnv1a32(text)).toBe(hash);
  });

  test('is FNV-1a over the UTF-8 bytes of any text, as an unsigned number', () => {
    fc.assert(
      fc.property(texts, (text) => {
        expect(fnv1a32(text)).toBe(hashModel(text));
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('the shard of an object', () => {
  test.each([
    ['', 7621, 5],
    ['a', 2348, 44],
    ['user-123', 3219, 19],
    ['ChatRoom-General', 7497, 9],
    ['shard#5/object-123', 5, 5],
    ['shard#9999/x', 1691, 27],
  ])('%j is the one Goverse computes', (id, shard, slot) => {
    expect(shardOf(id)).toBe(shard);
    expect(lockSlotOf(shard)).toBe(slot);
  });

  // Each agrees with Go's strconv.Atoi on what stands between `shard#` and the first slash.
  test.each([
    ['shard#0/x', 0],
    ['shard#8191/x', 8191],
    ['shard#5/', 5],
    ['shard#5//', 5],
    ['shard#5/shard#6/x', 5],
    ['shard#+5/x', 5],
    ['shard#-0/x', 0],
    ['shard#007/x', 7],
    [`shard#${'0'.repeat(200)}7/x`, 7],
  ])('%j is the one its id names', (id, shard) => {
    expect(shardOf(id)).toBe(shard);
  });

  test.each([
    'shard#8192/x',
    'shard#-1/x',
    'shard#99999999999999999999/x',
    `shard#${'9'.repeat(240)}/x`,
    'shard#5',
    'shard#/x',
    'shard#x/5/y',
    'shard#+/x',
    'shard#+-5/x',
    'shard# 5/x',
    'shard#5 /x',
    'shard#5\n/x',
    'shard#0x5/x',
    'shard#1_0/x',
    'shard#1e2/x',
    'shard#5.0/x',
    'shard#٥/x',
    'Shard#5/x',
    ' shard#5/x',
    'a/shard#5/x',
    '127.0.0.1:47000/x',
  ])('%j is hashed like any other id', (id) => {
    expect(shardOf(id)).toBe(hashModel(id) % 8192);
  });

  test('named in its id is taken from 0 to 8191 and hashed beyond', () => {
    fc.assert(
      fc.property(fc.integer({ min: -9_000, max: 20_000 }), texts, (named, rest) => {
        const id = `shard#${named}/${rest}`;
        expect(shardOf(id)).toBe(named >= 0 && named < 8192 ? named : hashModel(id) % 8192);
      }),
      { numRuns: 1_000 },
    );
  });

  test('of any id is a whole number from 0 to 8191', () => {
    fc.assert(
      fc.property(fc.tuple(fc.constantFrom('', 'shard#', 'shard#-', 'shard#1'), texts), ([prefix, rest]) => {
        const shard = shardOf(prefix + rest);
        expect(Number.isInteger(shard) && shard >= 0 && shard < 8192).toBe(true);
        expect(Object.is(shard, -0)).toBe(false);
      }),
    );
  });
});

describe('the partition of an object', () => {
  test('is its shard modulo the number of partitions', () => {
    expect(partitionOf('user-123', 16)).toBe(3);
    expect(partitionOf('user-123', 64)).toBe(19);
    expect(partitionOf('user-123', 1)).toBe(0);
    fc.assert(
      fc.property(texts, fc.constantFrom(...PARTITION_COUNTS), (id, count) => {
        expect(partitionOf(id, count)).toBe(shardOf(id) % count);
        expect(partitionOfShard(shardOf(id), count)).toBe(partitionOf(id, count));
      }),
    );
  });

  test('decides the lock slots, so that no two partitions share one', () => {
    for (const count of PARTITION_COUNTS) {
      for (let shard = 0; shard < 8192; shard += 1) {
        expect(lockSlotOf(shard) % count).toBe(partitionOfShard(shard, count));
      }
    }
  });

  test('splits in two, and never mixes with another, when the number of partitions doubles', () => {
    for (let shard = 0; shard < 8192; shard += 1) {
      expect(partitionOfShard(shard, 32) % 16).toBe(partitionOfShard(shard, 16));
    }
  });
});

describe('a number of partitions', () => {
  test('is a power of two from 1 to 64 and nothing else', () => {
    const taken = Array.from({ length: 300 }, (_, index) => index - 100).filter(isPartitionCount);
    expect(taken).toStrictEqual(PARTITION_COUNTS);
  });

  test.each([0.5, 1.5, 2 ** 31, 2 ** 32, 2 ** 32 + 1, 2 ** 53, -0, Number.NaN, Infinity, -Infinity])(
    'is not %d',
    (count) => {
      expect(isPartitionCount(count)).toBe(false);
    },
  );
});
