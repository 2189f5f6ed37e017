/** The bounds of what is handed over and not finished, waiting for room, giving up, and flushing. */
import { describe, expect, test } from 'vitest';
import type { HoldfastClient } from '../../src/client/client.ts';
import { eventually, within } from '../support/eventually.ts';
import type { TcpProxy } from '../support/tcp-proxy.ts';
import { later } from './calls.ts';
import { openInstallation } from './installation.ts';

const installation = await openInstallation();
const persisted = { until: 'persisted' } as const;

const object = (id: string, size = 1) => ({ id, type: 'T', document: { x: 'x'.repeat(size) } });

/** A client whose frames do not reach the broker until the network is healed. */
async function connectSilenced(
  options: Parameters<typeof installation.connect>[0],
): Promise<{ client: HoldfastClient; proxy: TcpProxy }> {
  const { client, proxy } = await installation.connectThroughProxy(options);
  proxy.silence();
  return { client, proxy };
}

/** Which of the promises are settled by now. */
async function settled(promises: readonly Promise<unknown>[]): Promise<boolean[]> {
  const isSettled = promises.map(() => false);
  for (const [index, promise] of promises.entries()) {
    void promise.catch(() => undefined).then(() => (isSettled[index] = true));
  }
  await new Promise((resolve) => setImmediate(resolve));
  return isSettled;
}

describe('a full buffer', () => {
  test('of items makes writes wait, in order, and lets them go on when there is room', async () => {
    const worker = await installation.work();
    const { client, proxy } = await connectSilenced({ bufferItemsMax: 3 });
    const saves = Array.from({ length: 8 }, (_, n) => client.save({ ...object('same'), document: { n } }));
    expect(client.stats()).toMatchObject({ bufferedItems: 3, waitingItems: 5 });
    proxy.heal();
    await within(5_000, 'the saves', Promise.all(saves));
    await eventually(() => worker.arrivals.length >= 8);
    const documents = worker.arrivals.map(({ document }) => document);
    expect([...new Set(documents)]).toStrictEqual(Array.from({ length: 8 }, (_, n) => `{"n":${n}}`));
    expect(client.stats()).toMatchObject({ bufferedItems: 0, bufferedBytes: 0, waitingItems: 0 });
  });

  test('of bytes makes writes wait, but lets one pass that is larger than all of it', async () => {
    const { client, proxy } = await connectSilenced({ bufferBytesMax: 1_000, documentBytesMax: 1_000 });
    const first = client.save(object('a', 950));
    const second = client.save(object('b', 10));
    expect(client.stats()).toMatchObject({ bufferedItems: 1, waitingItems: 1 });
    expect(client.stats().bufferedBytes).toBeGreaterThan(1_000);
    proxy.heal();
    await within(5_000, 'the saves', Promise.all([first, second]));
  });

  test('makes writes fail if so told, for the client or for the call', async () => {
    const { client, proxy } = await connectSilenced({ bufferItemsMax: 2, onFull: 'fail' });
    const kept = client.saveMany([object('a'), object('b')]);
    const error = { name: 'ClientError', code: 'OVERLOADED', retryable: true };
    await expect(client.save(object('c'))).rejects.toMatchObject({ ...error, id: 'c' });
    await expect(client.load('c')).rejects.toMatchObject(error);
    const waiting = client.save(object('d'), { onFull: 'wait' });
    expect(client.stats()).toMatchObject({ bufferedItems: 2, waitingItems: 1 });
    proxy.heal();
    await within(5_000, 'the saves', Promise.all([kept, waiting]));
  });

  test('takes in none of a call of many if it fails', async () => {
    const client = await installation.connect({ bufferItemsMax: 2 });
    const objects = ['a', 'b', 'c'].map((id) => object(id));
    await expect(client.saveMany(objects, { onFull: 'fail' })).rejects.toMatchObject({ code: 'OVERLOADED' });
    expect(client.stats()).toMatchObject({ bufferedItems: 0, confirmedCommands: 0 });
    await expect(client.saveMany(objects, { onFull: 'wait' })).resolves.toHaveLength(3);
  });

  test('of what is awaited stops only what is awaited', async () => {
    const worker = await installation.work();
    worker.hold();
    const client = await installation.connect({ awaitingItemsMax: 2 });
    const awaited = [1, 2, 3].map((n) => client.save(object(`awaited-${n}`), persisted));
    await client.saveMany([object('a'), object('b'), object('c')]);
    expect(client.stats()).toMatchObject({ awaitingItems: 2, waitingItems: 1 });
    await expect(client.load('x', { onFull: 'fail' })).rejects.toMatchObject({ code: 'OVERLOADED' });
    worker.go();
    await within(5_000, 'the saves', Promise.all(awaited));
    expect(client.stats()).toMatchObject({ awaitingItems: 0, awaitingBytes: 0, waitingItems: 0 });
  });

  test('keeps the order of an object of which something waits to be awaited', async () => {
    const worker = await installation.work();
    worker.hold();
    const client = await installation.connect({ awaitingItemsMax: 1 });
    const first = client.save(object('other'), persisted);
    const second = client.save({ ...object('same'), document: { n: 1 } }, persisted);
    const third = client.save({ ...object('same'), document: { n: 2 } });
    await client.save(object('free'));
    await expect(settled([first, second, third])).resolves.toStrictEqual([false, false, false]);
    await expect(client.save(object('same'), { onFull: 'fail' })).rejects.toMatchObject({
      code: 'OVERLOADED',
    });
    worker.go();
    await within(5_000, 'the saves', Promise.all([first, second, third]));
    await eventually(() => worker.arrivals.length === 4);
    const ofSame = worker.arrivals.filter(({ command }) => 'id' in command && command.id === 'same');
    expect(ofSame.map(({ document }) => document)).toStrictEqual(['{"n":1}', '{"n":2}']);
  });
});

describe('a signal', () => {
  test('ends the waiting for room with its reason, and makes way for others', async () => {
    const { client, proxy } = await connectSilenced({ bufferItemsMax: 1 });
    const ending = new AbortController();
    const kept = client.save(object('a'));
    const aborted = [
      client.save(object('b'), { signal: ending.signal }),
      client.saveMany([object('c'), object('d')], { signal: ending.signal }),
    ];
    const waiting = client.save(object('e'));
    expect(client.stats()).toMatchObject({ waitingItems: 4 });
    const reason = new Error('no longer');
    ending.abort(reason);
    const outcomes = await Promise.allSettled(aborted);
    expect(
      outcomes.map((outcome) => outcome.status === 'rejected' && outcome.reason === reason),
    ).toStrictEqual([true, true]);
    expect(client.stats()).toMatchObject({ waitingItems: 1, failures: { ABORTED: 3 } });
    await expect(client.save(object('f'), { signal: ending.signal })).rejects.toBe(reason);
    proxy.heal();
    await within(5_000, 'the saves', Promise.all([kept, waiting]));
  });

  test('takes back what was not sent yet', async () => {
    const worker = await installation.work();
    const client = await installation.connect();
    const ending = new AbortController();
    const aborted = client.save(object('a'), { signal: ending.signal });
    const kept = client.save(object('b'));
    ending.abort();
    await expect(aborted).rejects.toThrow('aborted');
    await kept;
    await eventually(() => worker.arrivals.length > 0);
    expect(worker.arrivals.map(({ command }) => 'id' in command && command.id)).toStrictEqual(['b']);
    expect(client.stats()).toMatchObject({ bufferedItems: 0, bufferedBytes: 0 });
  });

  test('ends the waiting for an answer, and of thousands of commands', async () => {
    const client = await installation.connect();
    const ending = new AbortController();
    const objects = Array.from({ length: 2_000 }, (_, n) => object(`${n}`));
    const aborted = client.saveMany(objects, { ...persisted, signal: ending.signal });
    await eventually(() => client.stats().confirmedCommands === 2_000);
    expect(client.stats()).toMatchObject({ awaitingItems: 2_000, bufferedItems: 0 });
    ending.abort(new Error('no longer'));
    await expect(aborted).rejects.toThrow('no longer');
    expect(client.stats()).toMatchObject({ awaitingItems: 0, awaitingBytes: 0 });
  });
});

test('what gave up waiting while nothing could be sent is forgotten', async () => {
  const { client } = await connectSilenced({ bufferItemsMax: 4_000 });
  const ids = Array.from({ length: 6_000 }, (_, n) => `${n}`);
  // The first goes out into the silence; the rest waits in the queues and for room.
  const first = later(client.load('first'));
  await eventually(() => client.stats().framesInFlight === 1);
  await expect(client.loadMany(ids, { timeoutMs: 50 })).rejects.toMatchObject({ code: 'TIMEOUT' });
  // Only what went out into the silence: two frames of each partition, of at most 64 loads.
  expect(client.stats().bufferedItems).toBeLessThan(4 * 64);
  expect(client.stats()).toMatchObject({ waitingItems: 0, awaitingItems: 1 });
  await client.close({ drainTimeoutMs: 0 });
  await expect(first).rejects.toMatchObject({ code: 'UNAVAILABLE' });
});

test('what gave up makes room at once while the broker is away', async () => {
  const { client, proxy } = await connectSilenced({ bufferItemsMax: 10, framesInFlightMax: 1 });
  const first = later(client.save(object('first')));
  await eventually(() => client.stats().framesInFlight === 1);
  const late = Array.from({ length: 9 }, () => later(client.save(object('first'), { timeoutMs: 20 })));
  expect(client.stats()).toMatchObject({ bufferedItems: 10 });
  for (const call of late) {
    await expect(call).rejects.toMatchObject({
      code: 'TIMEOUT',
      message: 'no answer within 20 ms; it was not sent, and will not be',
    });
  }
  expect(client.stats()).toMatchObject({ bufferedItems: 1 });
  // The one on its way is lost, and nobody waits for it when it is.
  proxy.cut();
  await eventually(() => !client.stats().connected);
  const fits = client.saveMany(
    Array.from({ length: 9 }, (_, n) => object(`${n}`)),
    { onFull: 'fail' },
  );
  proxy.heal();
  await within(10_000, 'the saves', Promise.all([first, fits]));
});

describe('a flush', () => {
  test('waits for confirms and answers of what was handed over before, and for nothing later', async () => {
    const worker = await installation.work();
    const client = await installation.connect();
    await client.flush();
    worker.hold();
    const before = [client.save(object('a')), client.save(object('b'), persisted)];
    const flushed = client.flush();
    const again = client.flush();
    const after = later(client.save(object('c'), persisted));
    await expect(settled([flushed, again])).resolves.toStrictEqual([false, false]);
    await before[0];
    await eventually(() => worker.arrivals.length === 3);
    worker.script = ({ command }) =>
      'id' in command && command.id === 'c'
        ? { line: { id: 'c', outcome: 'rejected', code: 'SCHEMA_VIOLATION' } }
        : undefined;
    worker.go();
    await within(5_000, 'the flush', Promise.all([flushed, again]));
    await Promise.all(before);
    await expect(after).rejects.toMatchObject({ code: 'SCHEMA_VIOLATION' });
    await client.flush();
  });
});
