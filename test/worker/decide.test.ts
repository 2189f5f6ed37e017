/**
 * Holds the decision of a batch, its fold included, against the plain reading of the contract: every command by
 * itself, in queue order. Objects, versions, epochs and contents are few, so that every collision occurs; some
 * documents are refused by the database.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type BatchCommand, isClaim, isSave } from '../../src/worker/batch-command.ts';
import { claim, type Outcome, remove, runBatch, save } from '../support/batch-commands.ts';
import { FakeStore } from '../support/fake-store.ts';

interface ModelObject {
  live: boolean;
  version: number;
  epoch: number;
  type: string;
  document: string;
  nextRcseq: number;
  createdAt: number;
}

const REFUSED = '"refused"';

/** One command after another, as DESIGN 2.4 and 4.3 say it. */
class Model {
  readonly objects = new Map<string, ModelObject>();
  readonly #claims = new Map<string, number>();
  now = 0;

  apply(item: BatchCommand): Outcome {
    const { id } = item.command;
    const before = this.objects.get(id);
    const state = before ?? {
      live: false,
      version: 0,
      epoch: 0,
      type: '',
      document: '',
      nextRcseq: 0,
      createdAt: 0,
    };
    if (isClaim(item)) return this.#claim(item.command.claim, item.command.epoch, id, state);
    const { version, epoch, ifVersion } = item.command;
    const judge = (outcome: 'superseded' | 'fenced' | 'conflict' | 'applied'): Outcome => ({
      outcome,
      version: state.version,
      epoch: state.epoch,
    });
    if (epoch < state.epoch) return judge('fenced');
    if (version === state.version) return judge(isSameContent(item, state) ? 'applied' : 'conflict');
    const met =
      ifVersion === undefined || (ifVersion === 0 ? !state.live : state.live && state.version === ifVersion);
    if (!met) return judge('conflict');
    if (version < state.version) return judge('superseded');
    if (isSave(item)) {
      const document = item.row.body.toString();
      if (document.includes(REFUSED)) return { outcome: 'rejected' };
      this.objects.set(id, {
        live: true,
        version,
        epoch,
        type: item.row.type,
        document,
        nextRcseq: Math.max(state.live ? state.nextRcseq : 0, item.row.nextRcseq),
        createdAt: state.live ? state.createdAt : this.now,
      });
    } else {
      this.objects.set(id, { ...state, live: false, version, epoch, nextRcseq: 0 });
    }
    return { outcome: 'applied', version, epoch };
  }

  #claim(claimId: string, proposed: number, id: string, state: ModelObject): Outcome {
    const key = `${id}/${claimId}`;
    const epoch = this.#claims.get(key) ?? Math.max(state.epoch + 1, proposed);
    if (!this.#claims.has(key)) {
      this.#claims.set(key, epoch);
      this.objects.set(id, { ...state, epoch });
    }
    return { outcome: 'claimed', epoch };
  }
}

function isSameContent(item: BatchCommand, state: ModelObject): boolean {
  if (!isSave(item)) return !state.live;
  if (!state.live || state.type !== item.row.type) return false;
  return JSON.stringify(JSON.parse(item.row.body.toString())) === JSON.stringify(JSON.parse(state.document));
}

const id = fc.constantFrom('a', 'b');
const version = fc.integer({ min: 1, max: 6 });
const epoch = fc.constantFrom(0, 0, 0, 1, 2);
const ifVersion = fc.constantFrom(undefined, undefined, undefined, 0, 1, 2, 3);
const nextRcseq = fc.constantFrom(undefined, 1, 2, 3);
const type = fc.constantFrom('T', 'T', 'U');
// Two ways to write the same content, another content, and one that the database refuses.
const document = fc.constantFrom('{"x":1}', '{ "x": 1 }', '{"x":2}', `{"x":${REFUSED}}`);

const command = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .tuple(id, document, fc.record({ version, epoch, ifVersion, nextRcseq, type }))
      .map(([i, d, f]) => save(i, d, f)),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(id, fc.record({ version, epoch, ifVersion })).map(([i, f]) => remove(i, f)),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(id, fc.constantFrom('c1', 'c2', 'c3'), fc.constantFrom(0, 0, 5))
      .map(([i, c, e]) => claim(i, c, e)),
  },
);
const batches = fc.array(fc.array(command, { maxLength: 12 }), { minLength: 1, maxLength: 3 });

function describeCommand({ command: { action, ...fields }, row }: BatchCommand): string {
  return `${action} ${JSON.stringify(fields)} ${row?.body.toString() ?? ''}`;
}

/**
 * What the batch may say where the model says `expected`: exactly that, except that a write which a newer one of the
 * same batch overtook may be `superseded` without having been tried.
 */
function isAllowed(actual: Outcome | undefined, expected: Outcome): boolean {
  if (actual === undefined) return false;
  if (
    actual.outcome === 'superseded' &&
    (expected.outcome === 'applied' || expected.outcome === 'rejected')
  ) {
    return true;
  }
  if (actual.outcome === 'superseded' && expected.outcome === 'superseded')
    return actual.version >= expected.version;
  return JSON.stringify(actual) === JSON.stringify(expected);
}

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

function visible(object: ModelObject): ModelObject {
  if (object.live) return object;
  return { ...object, type: '', document: '', nextRcseq: 0, createdAt: 0 };
}

function stateOf(store: FakeStore, key: string): ModelObject {
  const row = store.tables.rows.get(key);
  const tombstone = store.tables.tombstones.get(key);
  // Never both: a tombstone beside a row would come back to life when the row goes.
  expect(row !== undefined && tombstone !== undefined).toBe(false);
  if (row !== undefined) return { live: true, ...row };
  const { version: v, epoch: e } = tombstone ?? { version: 0, epoch: 0 };
  return { live: false, version: v, epoch: e, type: '', document: '', nextRcseq: 0, createdAt: 0 };
}
