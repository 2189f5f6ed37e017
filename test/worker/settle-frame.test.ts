/** The end of a frame whose channel is lost in the midst of it. Goal: nothing is done in its name that its next delivery does again. */
import { expect, it } from 'vitest';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import type { DeadLetter } from '../../src/worker/dead-letter.ts';
import { type SettleContext, settleFrame } from '../../src/worker/settle-frame.ts';
import { WorkFrame } from '../../src/worker/work-frame.ts';

it.each([
  ['is lost: no letter is made of a refusal, which is decided anew', true, [], false],
  ['lives: a refusal that nobody hears becomes a letter', false, ['CONFLICT'], true],
])('a reply fails and the channel %s', async (_name, lost, expected, acked) => {
  let live = true;
  let settled = false;
  const delivery = {
    body: Buffer.from('{"save":{"id":"a","type":"T","version":1}}\n{}\n'),
    type: 'holdfast.commands.v1',
    messageId: 'm',
    replyTo: 'holdfast.replies.x',
    correlationId: undefined,
    appId: undefined,
    timestamp: undefined,
    headers: {},
    redelivered: false,
    returns: 0,
    receivedAt: 0,
    live: () => live,
    settle: () => {
      settled = true;
    },
  };
  const frame = new WorkFrame(delivery, { partitionCount: 1, partition: 0 });
  frame.decode({ documentBytesMax: 100, schemas: new Map() });
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
