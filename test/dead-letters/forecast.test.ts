/** What a replay is said to do: held against the contract read plainly, command by command. */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { encodeCommand } from '../../src/contract/frame.ts';
import { Forecaster, forecastWrite, isPastRetention } from '../../src/dead-letters/forecast.ts';
import { Connection } from '../../src/store/connection.ts';
import type { WholeLetter } from '../../src/store/stored-letter.ts';
import type { BatchCommand } from '../../src/worker/batch-command.ts';
import { remove, runBatch, save } from '../support/batch-commands.ts';
import { Model } from '../support/command-model.ts';
import { openScratch } from '../support/scratch.ts';
import { openStore, type TestStore } from '../support/test-store.ts';

const scratch = await openScratch();
let store: TestStore;
let connection: Connection;

beforeAll(async () => {
  store = await openStore(scratch);
  connection = await Connection.open(store.options);
  scratch.onClose(() => connection.close());
});

const HOUR_MS = 3_600_000;
const OPTIONS = { documentBytesMax: 1_000, tombstoneRetentionMs: 24 * HOUR_MS };

function letterOf(body: Buffer, more: Partial<WholeLetter> = {}): WholeLetter {
  const now = new Date().toISOString();
  return {
    number: 1,
    letterId: '00000000-0000-4000-8000-000000000000',
    failedAt: now,
    publishedAt: now,
    movedAt: now,
    code: 'UNSTORABLE',
    objectId: null,
    objectType: null,
    version: null,
    partition: null,
    node: null,
    messageType: 'holdfast.commands.v1',
    bytes: body.length,
    replayAttempts: 0,
    attemptedAt: null,
    replayOutcome: null,
    replayedAt: null,
    droppedAt: null,
    message: null,
    headers: {},
    body,
    ...more,
  };
}

function linesOf({ command, row }: BatchCommand): Buffer {
  if (command.action === 'load') throw new TypeError('a claim is no write');
  return encodeCommand(command, row?.body);
}

/** Writes to two objects, with every collision of version, epoch and content. @param documents to choose from. */
function writes(ids: readonly [string, string], documents: readonly string[]): fc.Arbitrary<BatchCommand[]> {
  const id = fc.constantFrom(...ids);
  const version = fc.integer({ min: 1, max: 6 });
  const epoch = fc.constantFrom(0, 0, 0, 1, 2);
  const ifVersion = fc.constantFrom(undefined, undefined, undefined, 0, 1, 2, 3);
  const saving = fc.record({ version, epoch, ifVersion, type: fc.constantFrom('T', 'T', 'U') });
  const deleting = fc.record({ version, epoch, ifVersion });
  const document = fc.constantFrom(...documents);
  return fc.array(
    fc.oneof(
      { weight: 3, arbitrary: fc.tuple(id, document, saving).map((given) => save(...given)) },
      { weight: 1, arbitrary: fc.tuple(id, deleting).map((given) => remove(...given)) },
    ),
    { maxLength: 10 },
  );
}

let round = 0;

describe('a forecast', () => {
  it.each([
    ['in one page, also of contents that are only equal as jsonb', 100, ['{"x":1}', '{ "x": 1 }', '{"x":2}']],
    ['in pages of two', 2, ['{"x":1}', '{"x":2}']],
  ])(
    'says of letters %s what becomes of each, one after the other',
    async (_what, pageLetters, documents) => {
      await fc.assert(
        fc.asyncProperty(
          fc.constant(undefined).chain(() => {
            round += 1;
            const ids = [`a-${round}`, `b-${round}`] as const;
            return fc.tuple(writes(ids, documents), writes(ids, documents));
          }),
          async ([before, replayed]) => {
            const model = new Model();
            const ids = new Set([...before, ...replayed].map(({ command }) => command.id));
            await store.rows(`DELETE FROM goverse_objects WHERE object_id = ANY ($1)`, [[...ids]]);
            await store.rows(`DELETE FROM holdfast_tombstones WHERE object_id = ANY ($1)`, [[...ids]]);
            for (const item of before) {
              await runBatch(store.session, [item]);
              model.apply(item);
            }
            const forecaster = new Forecaster(connection, OPTIONS);
            const outcomes: string[] = [];
            for (let from = 0; from < replayed.length; from += pageLetters) {
              const page = replayed.slice(from, from + pageLetters).map((item) => letterOf(linesOf(item)));
              outcomes.push(...(await forecaster.forecast(page)).map(({ outcome }) => outcome));
            }
            expect(outcomes).toEqual(replayed.map((item) => model.apply(item).outcome));
          },
        ),
        { numRuns: 60 },
      );
    },
  );

  it('of an equal version is left to the contents, unless the epoch is lower', () => {
    const state = { live: true, version: 3, epoch: 2 };
    const command = { action: 'delete', id: 'x', version: 3, epoch: 2, ifVersion: 9 } as const;
    expect(forecastWrite(state, command)).toBe('same-version');
    expect(forecastWrite(state, { ...command, epoch: 1 })).toBe('fenced');
  });

  it('reads nothing but frames of this version, and survives any bytes', async () => {
    const forecaster = new Forecaster(connection, OPTIONS);
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 60 }), async (bytes) => {
        const [forecast] = await forecaster.forecast([letterOf(Buffer.from(bytes))]);
        expect(forecast?.outcome).toBe('invalid');
      }),
      { numRuns: 50 },
    );
    const good = linesOf(save('known', '{}', { version: 1 }));
    const [other] = await forecaster.forecast([letterOf(good, { messageType: 'holdfast.commands.v2' })]);
    expect(other).toMatchObject({
      outcome: 'invalid',
      reason: expect.stringContaining('UNSUPPORTED_VERSION'),
    });
    const [untold] = await forecaster.forecast([letterOf(good, { messageType: null })]);
    expect(untold?.outcome).toBe('applied');
  });
});

const at = (hoursAgo: number): string => new Date(Date.now() - hoursAgo * HOUR_MS).toISOString();
const past = (letter: Partial<WholeLetter>): boolean =>
  isPastRetention(letterOf(Buffer.from(''), letter), 'x', OPTIONS.tombstoneRetentionMs, Date.now());

describe('a delete may have been forgotten', () => {
  it.each([
    ['a whole frame that failed before the retention', { failedAt: at(30), publishedAt: null }, true],
    ['a whole frame that was published before the retention', { failedAt: at(1), publishedAt: at(30) }, true],
    ['a whole frame of today', { failedAt: at(2), publishedAt: at(3) }, false],
    [
      'an object whose letter came at once, however long ago',
      { objectId: 'x', failedAt: at(900), publishedAt: at(900), movedAt: at(899) },
      false,
    ],
    [
      'an object whose letter waited in the queue for longer',
      { objectId: 'x', failedAt: at(90), publishedAt: at(90), movedAt: at(1) },
      true,
    ],
    [
      'an object whose letter names another, since it was edited',
      { objectId: 'y', failedAt: at(90), publishedAt: at(90), movedAt: at(90) },
      true,
    ],
  ])('behind %s: %s', (_what, letter, expected) => {
    expect(past(letter)).toBe(expected);
  });
});

it('a claim after a forgotten delete does not make an old letter young', async () => {
  const old = letterOf(linesOf(save('claimed', '{}', { version: 5, epoch: 3 })), { failedAt: at(90) });
  const outcome = async () => (await new Forecaster(connection, OPTIONS).forecast([old]))[0]?.outcome;
  await store.rows(`INSERT INTO holdfast_tombstones (object_id, version, epoch) VALUES ('claimed', 0, 1)`);
  expect(await outcome()).toBe('too-old');
  await store.rows(`UPDATE holdfast_tombstones SET version = 4 WHERE object_id = 'claimed'`);
  expect(await outcome()).toBe('applied');
});
