/**
 * The end of a frame. Goals: where its channel is lost in the midst of it, nothing is done in its name that its next delivery
 * does again; and at once ends only what nobody hears of.
 */
import { describe, expect, it } from 'vitest';
import type { Delivery } from '../../src/broker/queue-consumer.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import type { DeadLetter } from '../../src/worker/dead-letter.ts';
import { ReplySender } from '../../src/worker/reply-sender.ts';
import { type SettleContext, settleFrame, settleQuietFrame } from '../../src/worker/settle-frame.ts';
import type { WorkFrame } from '../../src/worker/work-frame.ts';
import { save } from '../support/test-publisher.ts';
import { frameOf } from '../support/work-frames.ts';

const OURS = 'holdfast.replies.x';

/** A frame of one save, read but not answered. */
const frameOfSave = (delivery: Partial<Delivery>) =>
  frameOf(save({ id: 'a', version: 1 }), { messageId: 'm', ...delivery });

it.each([
  ['is lost: no letter is made of a refusal, which is decided anew', true, [], false],
  ['lives: a refusal that nobody hears becomes a letter', false, ['CONFLICT'], true],
])('a reply fails and the channel %s', async (_name, lost, expected, acked) => {
  let live = true;
  let settled = false;
  const frame = frameOfSave({
    replyTo: OURS,
    live: () => live,
    settle: () => {
      settled = true;
    },
  });
  for (const work of frame.entries) work.line = { id: 'a', outcome: 'conflict', version: 2, epoch: 0 };
  const codes: string[] = [];
  const context = {
    metrics: createMetrics({ version: '0.0.0' }),
    workerName: 'w',
    letters: {
      publish: async (letters: readonly DeadLetter[]) => {
        codes.push(...letters.map(({ code }) => code));
        return true;
      },
    },
    replies: {
      isUsable: () => true,
      send: async () => {
        live = !lost;
        return false;
      },
    },
  } as unknown as SettleContext;
  await settleFrame(frame, context);
  expect(codes).toEqual(expected);
  expect(settled).toBe(acked);
});

type Line = NonNullable<WorkFrame['entries'][number]['line']>;

/** A frame of one command that has its answer, and what becomes of it. */
function answered(
  line: Line,
  given: { replyTo?: string; mode?: string; known?: boolean; document?: string },
) {
  const seen = { settled: 0 };
  const frame = frameOfSave({
    replyTo: given.replyTo,
    headers: given.mode === undefined ? {} : { 'holdfast-reply': given.mode },
    settle: () => {
      seen.settled += 1;
    },
  });
  for (const work of frame.entries) {
    work.line = line;
    work.known = given.known ?? false;
    work.document = given.document;
  }
  const metrics = createMetrics({ version: '0.0.0', processMetrics: false });
  const replies = new ReplySender({
    repliesPrefix: 'holdfast.replies.',
    workerName: 'w',
    metrics,
  } as unknown as ConstructorParameters<typeof ReplySender>[0]);
  const context = { metrics, replies, workerName: 'w' } as unknown as SettleContext;
  return { frame, context, seen, metrics };
}

const line = (outcome: Line['outcome']): Line => ({ id: 'a', outcome, version: 1, epoch: 0 });

describe('a frame ends at once', () => {
  it.each([
    ['without anybody to answer', line('applied'), {}],
    ['overtaken, without anybody to answer', line('superseded'), {}],
    ['applied, where only failures are to be heard of', line('applied'), { replyTo: OURS, mode: 'failures' }],
    ['overtaken, where only failures are', line('superseded'), { replyTo: OURS, mode: 'failures' }],
    [
      'overtaken by the same requester',
      line('superseded'),
      { replyTo: OURS, mode: 'unapplied', known: true },
    ],
  ])('%s, counted and acked', async (_name, outcome, given) => {
    const { frame, context, seen, metrics } = answered(outcome, given);
    expect(settleQuietFrame(frame, context)).toBe(true);
    expect(seen.settled).toBe(1);
    expect(await metrics.render()).toContain(`holdfast_commands_total{outcome="${outcome.outcome}"} 1`);
  });

  it.each([
    ['whoever asked for everything', line('applied'), { replyTo: OURS }],
    ['whoever asked for what this worker does not know', line('applied'), { replyTo: OURS, mode: 'later' }],
    ['who was overtaken by somebody else', line('superseded'), { replyTo: OURS, mode: 'unapplied' }],
    ['a queue that is none of ours, which is counted', line('applied'), { replyTo: 'other' }],
    ['a refusal: it becomes a letter', line('fenced'), {}],
    ['a rejection: it has become a letter', line('rejected'), {}],
    ['a document, which is counted until it is dropped', line('found'), { document: '{}' }],
  ])('but not with %s', (_name, outcome, given) => {
    const { frame, context, seen } = answered(outcome, given);
    expect(settleQuietFrame(frame, context)).toBe(false);
    expect(seen.settled).toBe(0);
  });
});
