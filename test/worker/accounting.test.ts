/** The counts of a worker against what was published. Goal: every command ends in exactly one counted outcome. */
import { randomUUID } from 'node:crypto';
import * as fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { Letters } from '../support/letters.ts';
import { inTransaction, openScratch, PARTITIONS } from '../support/scratch.ts';
import { idsOfPartition, lines, load, remove, save, TestPublisher } from '../support/test-publisher.ts';
import { startWorker, type TestWorker } from '../support/test-worker.ts';

const scratch = await openScratch();
let worker: TestWorker;
let publisher: TestPublisher;
let letters: Letters;

beforeAll(async () => {
  worker = await startWorker(scratch);
  publisher = await TestPublisher.open(scratch);
  letters = await Letters.open(scratch);
});

const sum = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((total, count) => total + count, 0);

/** One command's lines; `id` is of the partition. */
const COMMANDS: readonly ((id: string, n: number) => string)[] = [
  (id, n) => save({ id, version: n + 1 }, `{"n":${n}}`),
  (id, n) => save({ id, version: n + 1, epoch: n % 3 }),
  (id, n) => save({ id, version: n + 1, ifVersion: n % 2 }),
  (id, n) => remove({ id, version: n + 1 }),
  (id) => load({ id }),
  (id) => load({ id, claim: randomUUID() }),
  (id) => load({ id, deadline: 1 }),
  (id) => lines(`{"save":{"id":"${id}"}}`, '{}'),
  (id, n) => lines({ save: { id, type: 'T', version: n + 1 } }, '[]'),
];

const mixtures = fc.record({
  partition: fc.integer({ min: 0, max: PARTITIONS - 1 }),
  answered: fc.boolean(),
  commands: fc.array(
    fc.record({
      kind: fc.integer({ min: 0, max: COMMANDS.length - 1 }),
      object: fc.integer({ min: 0, max: 3 }),
      n: fc.integer({ min: 0, max: 5 }),
    }),
    { minLength: 1, maxLength: 30 },
  ),
});

describe('the outcomes', () => {
  it('add up to the commands that were published, and the letters to those that make one', async () => {
    const frames = fc.sample(mixtures, { numRuns: 150, seed: 7 });
    const ids = Array.from({ length: PARTITIONS }, (_, partition) => idsOfPartition(partition, 4, 'counted'));
    const before = await worker.outcomes();
    const told: Record<string, number> = {};
    let commands = 0;
    const unanswered: Promise<void>[] = [];
    const replies = frames.flatMap(({ partition, answered, commands: given }) => {
      commands += given.length;
      const frame = given
        .map(({ kind, object, n }) => COMMANDS[kind]?.(ids[partition]?.[object] ?? '', n) ?? '')
        .join('');
      if (answered) return [publisher.request(frame, { partition })];
      unanswered.push(publisher.send(frame, { partition }));
      return [];
    });
    for (const { lines: answers } of await Promise.all(replies)) {
      for (const { outcome } of answers) if (outcome !== undefined) told[outcome] = (told[outcome] ?? 0) + 1;
    }
    await Promise.all(unanswered);
    await eventually(async () => sum(await worker.outcomes()) - sum(before) === commands);
    const counts = await worker.outcomes();
    for (const [outcome, count] of Object.entries(told)) {
      expect(counts[outcome] ?? 0).toBeGreaterThanOrEqual(count);
    }
    const made = await worker.metric('holdfast_dead_letters_total');
    await eventually(() => letters.all.length === made);
    const codes = new Set(letters.all.map(({ headers }) => headers['holdfast-code']));
    expect(codes).toEqual(new Set(['CONFLICT', 'FENCED', 'INVALID_COMMAND', 'INVALID_DOCUMENT']));
    const rejectedLetters = letters.all.filter(({ headers }) =>
      String(headers['holdfast-code']).startsWith('INVALID'),
    );
    expect(rejectedLetters.length).toBeLessThan(counts['rejected'] ?? 0);
    expect(await worker.metric('holdfast_deliveries_total')).toBeGreaterThanOrEqual(frames.length);
    expect(worker.fatal).toEqual([]);
  });

  it('of a frame that is none, and of a list, are one each', async () => {
    const before = await worker.outcomes();
    await publisher.request('nonsense\n', { partition: 0 });
    await publisher.request(lines({ list: { type: 'Nobody' } }), { loads: true });
    await publisher.request(lines({ list: { type: 'T' } }), { loads: true });
    await eventually(async () => sum(await worker.outcomes()) === sum(before) + 3);
    expect((await worker.outcomes())['rejected']).toBe((before['rejected'] ?? 0) + 1);
  });

  it('leave out what is in flight, which is counted by itself', async () => {
    const [id = ''] = idsOfPartition(0, 1, 'in flight');
    const before = sum(await worker.outcomes());
    await inTransaction(scratch, async (holder) => {
      await holder.query(
        'SELECT pg_advisory_xact_lock(1752132708, slot) FROM generate_series(0, 63) AS slot',
      );
      await publisher.send(save({ id, version: 1 }) + load({ id }) + remove({ id, version: 2 }));
      await eventually(async () => (await worker.metric('holdfast_commands_in_flight')) === 3, 3_000);
      expect(sum(await worker.outcomes())).toBe(before);
      expect(await worker.metric('holdfast_oldest_command_age_seconds')).toBeGreaterThan(0);
    });
    await eventually(async () => (await worker.metric('holdfast_commands_in_flight')) === 0);
    await eventually(async () => sum(await worker.outcomes()) === before + 3);
    await eventually(async () => (await worker.metric('holdfast_oldest_command_age_seconds')) === 0);
  });

  it('count a version far ahead of the clock as a warning beside', async () => {
    const [id = ''] = idsOfPartition(0, 1, 'ahead');
    const hours = 2;
    const version = (Date.now() + hours * 3_600_000) * 1_000;
    expect(await publisher.outcomes(save({ id, version }))).toEqual(['applied']);
    expect(await worker.metric('holdfast_versions_ahead_total')).toBe(1);
    expect(worker.log.filter(({ level, aheadMs }) => level === 'warn' && aheadMs !== undefined)).toHaveLength(
      1,
    );
  });
});
