/** Faults of our own inside a transaction. Goal: they surface as what they are, and are not retried as a lost connection. */
import { expect, it } from 'vitest';
import { runBatch, save } from '../support/batch-commands.ts';
import { openScratch } from '../support/scratch.ts';
import { openStore } from '../support/test-store.ts';

const scratch = await openScratch();

it('an error of the decision reaches the caller, nothing is written, and the session goes on', async () => {
  const store = await openStore(scratch);
  const fault = new TypeError('a fault of ours');
  const request = {
    slots: [1],
    presumable: [],
    ids: ['a'],
    claims: [],
    candidates: [],
    isolate: false,
    decide: () => {
      throw fault;
    },
  };
  await expect(store.session.write(request)).rejects.toBe(fault);
  const { outcomes } = await runBatch(store.session, [save('a', '{}', { version: 1 })]);
  expect([...outcomes.values()]).toMatchObject([{ outcome: 'applied' }]);
});
