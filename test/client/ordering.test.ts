/**
 * Goal: the order of every object, and the truth of every answer, under all interleavings of confirms, refusals, returns
 * and losses. Method: the dispatcher over a link that plays the broker and may do anything a broker may do, thousands of
 * random histories of it; no network, so that every interleaving is cheap.
 */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BrokerError } from '../../src/broker/broker-error.ts';
import { callForOne } from '../../src/client/call.ts';
import { ClaimedEpochs } from '../../src/client/claimed-epochs.ts';
import { readClientOptions } from '../../src/client/client-options.ts';
import { CommandBuilder } from '../../src/client/command-builder.ts';
import { Dispatcher } from '../../src/client/dispatcher.ts';
import type { FrameSender } from '../../src/client/frame-sender.ts';
import type { Wants } from '../../src/client/outgoing.ts';
import type { WriteResult } from '../../src/client/results.ts';
import { HoldfastError } from '../../src/contract/errors.ts';
import { VersionClock } from '../../src/contract/version-clock.ts';
import { later } from './calls.ts';
import { type Fate, PlayedBroker } from './played-broker.ts';

interface Subject {
  readonly broker: PlayedBroker;
  readonly dispatcher: Dispatcher;
  readonly builder: CommandBuilder;
  /** Of commands that go to another exchange. */
  readonly elsewhere: CommandBuilder;
  /** Of each save by number: what became of it. */
  readonly outcomes: Map<number, string>;
  readonly save: (id: string, n: number, wants?: Wants, by?: CommandBuilder) => void;
  /** A worker answers every frame that it was given and that somebody waits for. */
  readonly answer: () => void;
}

function subject(options: object): Subject {
  const broker = new PlayedBroker();
  const resolved = readClientOptions({
    url: 'amqp://127.0.0.1',
    node: 'n',
    retryDelayMsMin: 1,
    retryDelayMsMax: 1,
    ...options,
  });
  const dispatcher = new Dispatcher(broker, resolved, {
    onError: () => undefined,
    onRefusal: () => undefined,
  });
  const sender: FrameSender = dispatcher.addSender({ exchange: 'x', routingKey: '1.0', ordered: true });
  const builderFor = (through: FrameSender): CommandBuilder =>
    new CommandBuilder({
      clock: new VersionClock(),
      claims: new ClaimedEpochs(1),
      documentBytesMax: resolved.documentBytesMax,
      schemas: new Map(),
      partitions: [through],
      loads: through,
    });
  const builder = builderFor(sender);
  const elsewhere = builderFor(dispatcher.addSender({ exchange: 'y', routingKey: '1.0', ordered: true }));
  const outcomes = new Map<number, string>();
  const note = (n: number, outcome: string): void => {
    if (outcomes.has(n)) throw new Error(`save ${n} was settled twice`);
    outcomes.set(n, outcome);
  };
  const save = (id: string, n: number, wants: Wants = 'confirm', by = builder): void => {
    void callForOne<WriteResult>((call) => {
      const command = by.save({ id, type: 'T', document: { n } }, wants, call, 0);
      dispatcher.submit([command], { onFull: 'wait', signal: undefined, timeoutMs: undefined });
    }).then(
      ({ outcome }) => note(n, outcome),
      (error: unknown) => note(n, error instanceof HoldfastError ? error.code : String(error)),
    );
  };
  const answer = (): void => {
    for (const messageId of broker.messageIds) {
      const frame = dispatcher.awaitedFrame(messageId);
      if (frame === undefined) continue;
      dispatcher.noteAnswered(frame);
      for (const command of frame.commands) {
        const { id, version, epoch, wants } = command;
        const result = {
          id,
          version,
          epoch,
          outcome: 'applied',
          storedVersion: version,
          storedEpoch: 0,
        } as const;
        if (wants === 'answer') dispatcher.succeed(command, result);
      }
    }
  };
  return { broker, dispatcher, builder, elsewhere, outcomes, save, answer };
}

/** Lets everything happen that needs no broker: turns of the event loop, and the pause after a refusal of 1 ms. */
async function settleDown(milliseconds = 0): Promise<void> {
  if (milliseconds > 0) await new Promise((resolve) => setTimeout(resolve, milliseconds));
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

type Step =
  | { readonly save: number; readonly wants: Wants }
  | { readonly answer: true }
  | { readonly fate: Fate; readonly which: number }
  | { readonly break: number }
  | { readonly turn: true };

const steps: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      save: fc.integer({ min: 0, max: 2 }),
      wants: fc.constantFrom<Wants>('confirm', 'answer'),
    }),
  },
  { weight: 1, arbitrary: fc.constant<Step>({ answer: true }) },
  {
    weight: 6,
    arbitrary: fc.record({
      fate: fc.constantFrom<Fate>(
        'confirmed',
        'confirmed',
        'confirmed',
        'refused',
        'refused',
        'lost',
        'kept',
        'returned',
      ),
      which: fc.constantFrom(0, 0, 1, 2),
    }),
  },
  { weight: 2, arbitrary: fc.record({ break: fc.integer({ min: 0, max: 4 }) }) },
  { weight: 6, arbitrary: fc.constant<Step>({ turn: true }) },
);

/** The order of the saves of each object, where each counts the first time that it was taken. */
function expectInOrder(taken: readonly number[], objects: readonly number[]): void {
  const firsts = [...new Set(taken)];
  for (let object = 0; object <= 2; object += 1) {
    const order = firsts.filter((n) => objects[n] === object);
    expect(order).toStrictEqual(order.toSorted((a, b) => a - b));
  }
}

describe('over a broker that does anything', () => {
  test('the saves of an object are taken in the order of the calls, again after every loss', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(steps, { maxLength: 80, size: 'max' }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 5 }),
        async (history, framesInFlightMax, frameCommandsMax) => {
          const limits = { framesInFlightMax, frameCommandsMax, bufferItemsMax: 12, awaitingItemsMax: 20 };
          const { broker, dispatcher, outcomes, save, answer } = subject(limits);
          const objects: number[] = [];
          /** How much was taken when the connection ended. */
          const losses: number[] = [0];
          for (const step of history) {
            if ('save' in step) save(`object-${step.save}`, objects.push(step.save) - 1, step.wants);
            else if ('answer' in step) answer();
            else if ('fate' in step) broker.decide(step.fate, step.which);
            else if ('break' in step) {
              broker.break(step.break);
              losses.push(broker.taken.length);
              dispatcher.noteRepliesLost();
              await settleDown();
              broker.up = true;
              dispatcher.resume();
            } else await settleDown();
          }
          const { sending, awaiting } = dispatcher.admission;
          while (outcomes.size < objects.length || sending.items > 0) {
            await settleDown(2);
            while (broker.onItsWay > 0) broker.decide('confirmed');
            answer();
          }
          for (const taken of losses) expectInOrder(broker.taken.slice(taken), objects);
          for (const [n, outcome] of outcomes) {
            const isTaken = broker.taken.includes(n);
            if (outcome === 'confirmed' || outcome === 'applied') expect(isTaken).toBe(true);
            else if (outcome === 'UNROUTABLE') expect(isTaken).toBe(false);
            else expect(outcome).toBe('UNAVAILABLE');
          }
          expect(Math.max(0, ...broker.sizes)).toBeLessThanOrEqual(frameCommandsMax);
          for (const room of [sending, awaiting])
            expect(room).toMatchObject({ items: 0, bytes: 0, waitingCount: 0 });
        },
      ),
      { numRuns: 500 },
    );
  });

  test('the end of it says CLOSED only of what was never taken, and leaves nothing unsaid', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(steps, { maxLength: 60, size: 'max' }), async (history) => {
        const limits = { frameCommandsMax: 3, bufferItemsMax: 8, awaitingItemsMax: 5 };
        const { broker, dispatcher, outcomes, save, answer } = subject(limits);
        let saves = 0;
        for (const step of history) {
          if ('save' in step) save(`object-${step.save}`, saves++, step.wants);
          else if ('answer' in step) answer();
          else if ('fate' in step) broker.decide(step.fate === 'returned' ? 'kept' : step.fate, step.which);
          else await settleDown();
        }
        dispatcher.end();
        broker.break(Infinity);
        await settleDown(2);
        expect(outcomes.size).toBe(saves);
        for (const [n, outcome] of outcomes) {
          if (outcome === 'CLOSED') expect(broker.taken).not.toContain(n);
          else if (outcome !== 'UNAVAILABLE') expect(broker.taken).toContain(n);
        }
        expect(broker.onItsWay).toBe(0);
      }),
      { numRuns: 300 },
    );
  });
});

test('frames that were never taken, and that nobody waits for, are not kept', async () => {
  const { broker, dispatcher, builder } = subject({});
  for (let n = 0; n < 20; n += 1) {
    const load = later(
      callForOne((call) => {
        const input = { id: `${n}`, ordered: true, document: true, timeoutMs: 5 };
        const command = builder.load(input, call, 0);
        dispatcher.submit([command], { onFull: 'wait', signal: undefined, timeoutMs: 5 });
      }),
    );
    await settleDown();
    broker.decide('refused');
    await expect(load).rejects.toMatchObject({ code: 'TIMEOUT' });
    while (broker.onItsWay > 0) broker.decide('refused');
    await settleDown();
  }
  expect(broker.sentIds.size).toBeGreaterThan(1);
  expect([...broker.sentIds].filter((id) => dispatcher.awaitedFrame(id) !== undefined)).toStrictEqual([]);
  expect(dispatcher.admission.sending).toMatchObject({ items: 0, bytes: 0 });
});

describe('a channel that the broker closed for what was sent', () => {
  test('because it was too large, fails the largest frame and sends the others again', async () => {
    const { broker, dispatcher, outcomes, save } = subject({ frameCommandsMax: 1, framesInFlightMax: 3 });
    save('a', 1);
    save('b', 2_000_000_000);
    save('c', 3);
    await settleDown();
    expect(broker.onItsWay).toBe(3);
    broker.break(0);
    dispatcher.notePublisherLost(
      new BrokerError('BROKER_TOPOLOGY', 'message size is larger than allowed', { replyCode: 406 }),
    );
    await settleDown();
    broker.up = true;
    dispatcher.resume();
    await settleDown();
    while (broker.onItsWay > 0) broker.decide('confirmed');
    await settleDown();
    expect(outcomes).toStrictEqual(
      new Map([
        [2_000_000_000, 'TOO_LARGE'],
        [1, 'confirmed'],
        [3, 'confirmed'],
      ]),
    );
    expect(broker.taken).toStrictEqual([1, 3]);
  });

  test('because it was too large, does not blame what was confirmed before', async () => {
    const { broker, dispatcher, outcomes, save, answer } = subject({ frameCommandsMax: 1 });
    save('a', 3_000_000_000, 'answer');
    await settleDown();
    broker.decide('confirmed');
    await settleDown();
    broker.break(0);
    dispatcher.noteRepliesLost();
    save('b', 1);
    dispatcher.notePublisherLost(
      new BrokerError('BROKER_TOPOLOGY', 'message size is larger than allowed', { replyCode: 406 }),
    );
    await settleDown();
    broker.up = true;
    dispatcher.resume();
    await settleDown();
    while (broker.onItsWay > 0) broker.decide('confirmed');
    await settleDown();
    answer();
    await settleDown();
    expect(outcomes).toStrictEqual(
      new Map([
        [1, 'confirmed'],
        [3_000_000_000, 'applied'],
      ]),
    );
  });

  test.each([
    ['because the exchange is missing', 'BROKER_TOPOLOGY', 404, 'UNROUTABLE'],
    ['because there is no right', 'BROKER_REFUSED', 403, 'BROKER_REFUSED'],
  ] as const)('%s, fails for certain only what cannot have arrived', async (_, code, replyCode, certain) => {
    const { broker, dispatcher, outcomes, save } = subject({ frameCommandsMax: 1, framesInFlightMax: 4 });
    const breakOver = async (kept: number): Promise<void> => {
      broker.break(kept);
      dispatcher.notePublisherLost(new BrokerError(code, 'closed', { replyCode }));
      await settleDown();
      broker.up = true;
      dispatcher.resume();
      await settleDown();
    };
    save('a', 1);
    save('b', 2);
    await settleDown();
    broker.decide('confirmed');
    // The exchange goes while the second is confirmed, which is not heard.
    await breakOver(1);
    expect(outcomes.get(2)).toBe('UNAVAILABLE');
    // It never was there on this channel.
    save('c', 3);
    await settleDown();
    await breakOver(0);
    expect(outcomes).toStrictEqual(
      new Map([
        [1, 'confirmed'],
        [2, 'UNAVAILABLE'],
        [3, certain],
      ]),
    );
    // It was sent before, and that may have arrived.
    save('d', 4);
    await settleDown();
    broker.break(1);
    await settleDown();
    broker.up = true;
    dispatcher.resume();
    await settleDown();
    await breakOver(0);
    expect(outcomes.get(4)).toBe('UNAVAILABLE');
    expect(dispatcher.admission.sending.items).toBe(0);
  });

  test('without right to one of two exchanges, nobody knows which, fails for certain nothing', async () => {
    const { broker, dispatcher, elsewhere, outcomes, save } = subject({ frameCommandsMax: 1 });
    save('a', 1);
    save('b', 2, 'confirm', elsewhere);
    await settleDown();
    // The first was taken, which is not heard; it was the second that was refused.
    broker.break(1);
    dispatcher.notePublisherLost(new BrokerError('BROKER_REFUSED', 'closed', { replyCode: 403 }));
    await settleDown();
    expect([...outcomes.values()]).toStrictEqual(['UNAVAILABLE', 'UNAVAILABLE']);
  });

  test('is not unroutable for certain, where its own exchange took something, whatever others did', async () => {
    const { broker, dispatcher, elsewhere, outcomes, save } = subject({ frameCommandsMax: 1 });
    save('b', 1, 'confirm', elsewhere);
    await settleDown();
    broker.decide('confirmed');
    save('a', 2);
    save('c', 3, 'confirm', elsewhere);
    await settleDown();
    broker.break(0);
    dispatcher.notePublisherLost(new BrokerError('BROKER_TOPOLOGY', 'closed', { replyCode: 404 }));
    await settleDown();
    expect(outcomes.get(2)).toBe('UNROUTABLE');
    expect(outcomes.get(3)).toBe('UNAVAILABLE');
  });

  test('after a loss, keeps the message id of what is sent again', async () => {
    const { broker, dispatcher, save } = subject({});
    save('a', 1);
    await settleDown();
    broker.break(1);
    await settleDown();
    broker.up = true;
    dispatcher.resume();
    await settleDown();
    broker.decide('confirmed');
    await settleDown();
    expect(broker.taken).toStrictEqual([1, 1]);
    expect(new Set(broker.messageIds).size).toBe(1);
  });
});
