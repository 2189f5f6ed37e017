import { describe, expect, test } from 'vitest';
import {
  COMMANDS_TYPE,
  commandsQueue,
  DEFAULT_PREFIX,
  isPrefix,
  NDJSON_CONTENT_TYPE,
  namesFor,
  REPLIES_TYPE,
  REPLY_LAST_HEADER,
  REPLY_MODE_FAILURES,
  REPLY_MODE_HEADER,
  REPLY_MODE_UNAPPLIED,
  REPLY_PART_HEADER,
  routingKey,
} from '../../src/contract/names.ts';

describe('the names of an installation', () => {
  test('are those that other programs know, by default', () => {
    const names = namesFor(DEFAULT_PREFIX);
    expect(names).toStrictEqual({
      prefix: 'holdfast',
      commandsExchange: 'holdfast.commands',
      loadsQueue: 'holdfast.loads',
      deadLetters: 'holdfast.dead-letters',
      workersExchange: 'holdfast.workers',
      repliesPrefix: 'holdfast.replies.',
    });
    expect(commandsQueue(names, 16, 3)).toBe('holdfast.commands.16.3');
    expect(routingKey(16, 3)).toBe('16.3');
  });

  test('all begin with the prefix that was chosen', () => {
    const names = namesFor('tests-7f3a');
    const all = [...Object.values(names), commandsQueue(names, 64, 63)];
    expect(all.filter((name) => name !== 'tests-7f3a' && !name.startsWith('tests-7f3a.'))).toStrictEqual([]);
  });

  test('are all different, for every partition of every number of partitions', () => {
    const names = namesFor(DEFAULT_PREFIX);
    const all: string[] = Object.values(names);
    for (const count of [1, 2, 4, 8, 16, 32, 64]) {
      for (let partition = 0; partition < count; partition += 1) {
        all.push(commandsQueue(names, count, partition));
      }
    }
    expect(all).toHaveLength(6 + 127);
    expect(new Set(all).size).toBe(all.length);
  });

  test('fit an AMQP short string with the longest prefix, even a reply queue named by a UUID', () => {
    const names = namesFor('p'.repeat(64));
    expect(isPrefix(names.prefix)).toBe(true);
    const longest = [
      commandsQueue(names, 64, 63),
      `${names.repliesPrefix}${'0'.repeat(36)}`,
      names.deadLetters,
    ];
    for (const name of longest) expect(Buffer.byteLength(name)).toBeLessThanOrEqual(255);
  });

  test('of the properties and headers on the wire are those of contract version 1', () => {
    expect([COMMANDS_TYPE, REPLIES_TYPE, NDJSON_CONTENT_TYPE]).toStrictEqual([
      'holdfast.commands.v1',
      'holdfast.replies.v1',
      'application/x-ndjson',
    ]);
    expect([REPLY_MODE_HEADER, REPLY_MODE_FAILURES, REPLY_MODE_UNAPPLIED]).toStrictEqual([
      'holdfast-reply',
      'failures',
      'unapplied',
    ]);
    expect([REPLY_PART_HEADER, REPLY_LAST_HEADER]).toStrictEqual(['holdfast-part', 'holdfast-last']);
  });
});

describe('a prefix', () => {
  test.each(['holdfast', 'a', '7', 'team_a.holdfast-2', 'A'.repeat(64)])('may be %j', (value) => {
    expect(isPrefix(value)).toBe(true);
  });

  test.each(['', '.a', '-a', '_a', 'a b', 'a/b', 'a#', 'a*', 'é', 'a\n', '\na', 'a\0', 'A'.repeat(65)])(
    'must not be %j',
    (value) => {
      expect(isPrefix(value)).toBe(false);
    },
  );
});
