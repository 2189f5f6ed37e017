/** Holds the decision of a batch, its fold included, against the plain reading of the contract. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isClaim } from '../../src/worker/batch-command.ts';
import { claim, runBatch, save } from '../support/batch-commands.ts';
import {
  describeCommand,
  isAllowed,
  Model,
  type ModelObject,
  REFUSED,
  randomBatches,
  visible,
} from '../support/command-model.ts';
import { FakeStore } from '../support/fake-store.ts';

const batches = randomBatches(['a', 'b']);

describe('a batch', () => {
  it('leaves the state that its commands leave one by one, and gives each its outcome', async () => {
    await fc.assert(
      fc.asyncProperty(batches, async (rounds) => {
        const store = new FakeStore({ refuses: (row) => row.body.toString().includes(REFUSED) });
        const session = store.openWriteSession();
        const model = new Model();
        for (const [round, commands] of rounds.entries()) {
          store.now = round;
          model.now = round;
          const { outcomes } = await runBatch(session, commands);
          for (const item of commands) {
            const expected = model.apply(item);
            const actual = outcomes.get(item);
            if (!isAllowed(actual, expected)) {
              throw new Error(
                `${describeCommand(item)}: ${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}`,
              );
            }
          }
          for (const [key, expected] of model.objects) expect(stateOf(store, key)).toEqual(visible(expected));
        }
      }),
      { numRuns: 3_000 },
    );
  });

  it('calls a write superseded only if a newer version of the object is stored', async () => {
    await fc.assert(
      fc.asyncProperty(batches, async (rounds) => {
        const store = new FakeStore({ refuses: (row) => row.body.toString().includes(REFUSED) });
        const session = store.openWriteSession();
        for (const commands of rounds) {
          const { outcomes } = await runBatch(session, commands);
          for (const [item, outcome] of outcomes) {
            if (outcome.outcome !== 'superseded' || isClaim(item)) continue;
            expect(stateOf(store, item.command.id).version).toBeGreaterThan(item.command.version);
          }
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it('writes an object once, whatever number of plain saves of it there are', async () => {
    const store = new FakeStore();
    const commands = Array.from({ length: 1_000 }, (_, i) => save('hot', `{"n":${i}}`, { version: i + 1 }));
    const { outcomes } = await runBatch(store.openWriteSession(), commands);
    const superseded = [...outcomes.values()].filter(({ outcome }) => outcome === 'superseded');
    expect(superseded).toHaveLength(999);
    expect(store.tables.rows.get('hot')).toMatchObject({ version: 1_000, document: '{"n":999}' });
  });

  it('lets the next older save take the place of a refused one', async () => {
    const store = new FakeStore({ refuses: (row) => row.body.toString().includes(REFUSED) });
    const older = save('a', '{"x":1}', { version: 1 });
    const refused = save('a', `{"x":${REFUSED}}`, { version: 2 });
    const { outcomes } = await runBatch(store.openWriteSession(), [older, refused]);
    expect(outcomes.get(older)).toEqual({ outcome: 'applied', version: 1, epoch: 0 });
    expect(outcomes.get(refused)).toEqual({ outcome: 'rejected' });
    expect(store.tables.rows.get('a')).toMatchObject({ version: 1 });
  });

  it('hides no conflict behind a refused save that was overtaken as well', async () => {
    const store = new FakeStore({ refuses: (row) => row.body.toString().includes(REFUSED) });
    const first = save('a', '{"x":1}', { version: 1 });
    const refused = save('a', `{"x":${REFUSED}}`, { version: 2 });
    const other = save('a', '{"x":2}', { version: 1 });
    const last = save('a', '{"x":3}', { version: 4 });
    const commands = [first, refused, other, last];
    const { outcomes } = await runBatch(store.openWriteSession(), commands);
    const told = commands.map((item) => outcomes.get(item)?.outcome);
    expect(told).toEqual(['applied', 'rejected', 'conflict', 'applied']);
  });

  it('decides nothing for objects whose slot somebody else holds', async () => {
    const store = new FakeStore();
    const held = save('a', '{}', { version: 1 });
    const free = save('b', '{}', { version: 1 });
    expect(held.slot).not.toBe(free.slot);
    store.heldSlots.add(held.slot);
    const { outcomes, heldSlots } = await runBatch(store.openWriteSession(), [held, free]);
    expect([...heldSlots]).toEqual([held.slot]);
    expect(outcomes.has(held)).toBe(false);
    expect(store.tables.rows.has('a')).toBe(false);
    expect(outcomes.get(free)).toEqual({ outcome: 'applied', version: 1, epoch: 0 });
  });

  it('gives no epoch beyond 2^53-1', async () => {
    const store = new FakeStore();
    const last = claim('a', 'c1', Number.MAX_SAFE_INTEGER);
    const beyond = claim('a', 'c2');
    const { outcomes } = await runBatch(store.openWriteSession(), [last, beyond]);
    expect(outcomes.get(last)).toEqual({ outcome: 'claimed', epoch: Number.MAX_SAFE_INTEGER });
    expect(outcomes.get(beyond)).toEqual({ outcome: 'exhausted' });
  });
});

function stateOf(store: FakeStore, key: string): ModelObject {
  const row = store.tables.rows.get(key);
  const tombstone = store.tables.tombstones.get(key);
  // Never both: a tombstone beside a row would come back to life when the row goes.
  expect(row !== undefined && tombstone !== undefined).toBe(false);
  if (row !== undefined) return { live: true, ...row };
  const { version: v, epoch: e } = tombstone ?? { version: 0, epoch: 0 };
  return { live: false, version: v, epoch: e, type: '', document: '', nextRcseq: 0, createdAt: 0 };
}
