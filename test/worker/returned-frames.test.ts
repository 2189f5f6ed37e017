/**
 * Frames that have returned to their queue while a writer still has them. Goal: nothing definite is told that another worker,
 * which had them meanwhile, makes wrong.
 */
import { expect, it } from 'vitest';
import { Caution } from '../../src/worker/caution.ts';
import { RefusalStreak } from '../../src/worker/refusal-streak.ts';
import { writeBatch } from '../../src/worker/write-batch.ts';
import { WriteRetry } from '../../src/worker/write-retry.ts';
import { runBatch, save as stored } from '../support/batch-commands.ts';
import { openScratch } from '../support/scratch.ts';
import { RETRY } from '../support/test-broker.ts';
import { save } from '../support/test-publisher.ts';
import { openStore } from '../support/test-store.ts';
import { frameOf } from '../support/work-frames.ts';

const scratch = await openScratch();

it.each([
  ['is lost meanwhile: the conflict may be with its own effect', false, { redelivered: true }],
  ['lives: the conflict is what it says', true, {}],
])('the channel of a frame %s', async (_name, live, certainty) => {
  const store = await openStore(scratch);
  await runBatch(store.session, [stored('a', '{}', { version: 6 })]);
  const frame = frameOf(save({ id: 'a', version: 5, ifVersion: 4 }), { live: () => live });
  await writeBatch([frame], {
    session: store.session,
    retry: new WriteRetry({
      ...RETRY,
      signal: new AbortController().signal,
      onFailure: (error) => expect.fail(error.message),
      onSuccess: () => undefined,
    }),
    streak: new RefusalStreak(),
    caution: new Caution(),
    onWritten: () => undefined,
  });
  expect(frame.entries.map(({ line }) => line)).toEqual([
    { id: 'a', outcome: 'conflict', version: 6, epoch: 0, ...certainty },
  ]);
});
