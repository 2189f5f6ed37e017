/** What a worker decided, and what becomes of it: results, typed errors, and failures that nobody waits for. */
import { once } from 'node:events';
import { beforeEach, describe, expect, test } from 'vitest';
import type { HoldfastClient } from '../../src/client/client.ts';
import type { Failure } from '../../src/client/failure.ts';
import { encodeReply } from '../../src/contract/reply.ts';
import { eventually, within } from '../support/eventually.ts';
import { openInstallation } from './installation.ts';
import type { ScriptedWorker } from './scripted-worker.ts';

const installation = await openInstallation();
const persisted = { until: 'persisted' } as const;

let worker: ScriptedWorker;
let client: HoldfastClient;

beforeEach(async () => {
  worker = await installation.work();
  client = await installation.connect();
});

function failuresOf(source: HoldfastClient): Failure[] {
  const failures: Failure[] = [];
  source.on('failure', (failure) => failures.push(failure));
  return failures;
}

describe('a persisted write', () => {
  test('resolves once a worker has applied it', async () => {
    worker.objects.put('a', { version: 5, epoch: 2 });
    const result = await client.save(
      { id: 'a', type: 'T', document: { x: 1 }, version: 7, epoch: 2 },
      persisted,
    );
    expect(result).toStrictEqual({
      id: 'a',
      version: 7,
      epoch: 2,
      outcome: 'applied',
      storedVersion: 7,
      storedEpoch: 2,
    });
    expect(worker.objects.get('a')).toMatchObject({ document: '{"x":1}', version: 7 });
    expect(client.stats()).toMatchObject({ awaitingItems: 0, awaitingBytes: 0, bufferedItems: 0 });
  });

  test('that was fenced rejects with the stored version and epoch', async () => {
    worker.objects.put('a', { version: 5, epoch: 3 });
    await expect(
      client.save({ id: 'a', type: 'T', document: {}, version: 6, epoch: 2 }, persisted),
    ).rejects.toMatchObject({
      name: 'OutcomeError',
      outcome: 'fenced',
      code: 'FENCED',
      retryable: false,
      id: 'a',
      version: 6,
      storedVersion: 5,
      storedEpoch: 3,
    });
    expect(client.stats().failures).toStrictEqual({ FENCED: 1 });
  });

  test('whose condition is not met rejects with the stored version', async () => {
    worker.objects.put('a', { version: 5 });
    await expect(
      client.save({ id: 'a', type: 'T', document: {}, ifVersion: 4 }, persisted),
    ).rejects.toMatchObject({ outcome: 'conflict', code: 'CONFLICT', storedVersion: 5 });
    await expect(client.delete({ id: 'a', ifVersion: 5 }, persisted)).resolves.toMatchObject({
      outcome: 'applied',
    });
  });

  test('that was rejected says the code and the reason, also a code that is new', async () => {
    worker.script = ({ command }) =>
      'id' in command
        ? { line: { id: command.id, outcome: 'rejected', code: command.id, message: 'email: is missing' } }
        : undefined;
    for (const code of ['SCHEMA_VIOLATION', 'FROM_THE_FUTURE']) {
      await expect(client.save({ id: code, type: 'T', document: {} }, persisted)).rejects.toMatchObject({
        outcome: 'rejected',
        code,
        message: 'email: is missing',
      });
    }
  });

  test('superseded by a newer one of the same client is a success', async () => {
    worker.hold();
    const older = client.save({ id: 'a', type: 'T', document: { n: 1 } }, persisted);
    const newer = await client.save({ id: 'a', type: 'T', document: { n: 2 } });
    worker.objects.put('a', { version: newer.version, document: '{"n":2}' });
    worker.go();
    await expect(older).resolves.toMatchObject({ outcome: 'superseded', storedVersion: newer.version });
  });

  test('superseded by a version that this client did not write is a conflict', async () => {
    worker.objects.put('a', { version: 2 ** 52, epoch: 1 });
    await expect(
      client.save({ id: 'a', type: 'T', document: {}, epoch: 1 }, persisted),
    ).rejects.toMatchObject({
      outcome: 'conflict',
      code: 'CONFLICT',
      storedVersion: 2 ** 52,
      storedEpoch: 1,
    });
    // What is stored is known now, so the next one is above it.
    await expect(
      client.save({ id: 'a', type: 'T', document: {}, epoch: 1 }, persisted),
    ).resolves.toMatchObject({ outcome: 'applied', version: 2 ** 52 + 1 });
  });

  test('of unknown fate, repeated when superseded by a newer one of the same client, is a success', async () => {
    worker.hold();
    const first = { id: 'a', type: 'T', document: { n: 1 }, version: 10 };
    await expect(client.save(first, { ...persisted, timeoutMs: 50 })).rejects.toMatchObject({
      code: 'TIMEOUT',
    });
    await client.save({ id: 'a', type: 'T', document: { n: 2 }, version: 20 });
    worker.objects.put('a', { version: 20, document: '{"n":2}' });
    await client.save({ id: 'a', type: 'T', document: { n: 3 }, version: 30 });
    const again = client.save(first, persisted);
    worker.script = ({ command }) =>
      'version' in command && command.version === 10
        ? { line: { id: 'a', outcome: 'superseded', version: 20, epoch: 0 } }
        : undefined;
    worker.go();
    await expect(again).resolves.toMatchObject({ outcome: 'superseded', storedVersion: 20 });
  });

  test("superseded by somebody else's version when redelivered is unknown, not failed", async () => {
    const failures = failuresOf(client);
    const foreign = 2 ** 52;
    worker.script = ({ command }) =>
      'id' in command
        ? { line: { id: command.id, outcome: 'superseded', version: foreign, epoch: 0, redelivered: true } }
        : undefined;
    await expect(client.save({ id: 'a', type: 'T', document: {} }, persisted)).rejects.toMatchObject({
      name: 'ClientError',
      code: 'UNAVAILABLE',
    });
    await client.save({ id: 'b', type: 'T', document: {} });
    await eventually(() => failures.length === 1);
    expect(failures).toMatchObject([{ id: 'b', outcome: 'conflict', code: 'UNAVAILABLE' }]);
  });

  test('with a condition that conflicts when redelivered is unknown, not failed', async () => {
    worker.script = ({ command }) =>
      'id' in command
        ? { line: { id: command.id, outcome: 'conflict', version: 9, epoch: 0, redelivered: true } }
        : undefined;
    await expect(
      client.save({ id: 'a', type: 'T', document: {}, ifVersion: 3 }, persisted),
    ).rejects.toMatchObject({ name: 'ClientError', code: 'UNAVAILABLE', retryable: true, id: 'a' });
    await expect(client.save({ id: 'a', type: 'T', document: {} }, persisted)).rejects.toMatchObject({
      code: 'CONFLICT',
    });
  });

  test('without an answer in time fails with TIMEOUT, and its late failure is an event', async () => {
    const failures = failuresOf(client);
    worker.objects.put('a', { version: 5, epoch: 3 });
    worker.hold();
    const object = { id: 'a', type: 'T', document: {}, version: 6 };
    await expect(client.save(object, { ...persisted, timeoutMs: 50 })).rejects.toMatchObject({
      code: 'TIMEOUT',
      message: 'no answer within 50 ms; it may still be applied',
      version: 6,
    });
    expect(client.stats()).toMatchObject({ awaitingItems: 0, awaitingBytes: 0 });
    worker.go();
    await eventually(() => failures.length === 1);
    expect(failures).toMatchObject([{ id: 'a', outcome: 'fenced', version: 5, epoch: 3 }]);
  });

  test('waits no longer than the client was told, unless the call says otherwise', async () => {
    worker.hold();
    const hasty = await installation.connect({ persistTimeoutMs: 50 });
    const patient = hasty.save({ id: 'b', type: 'T', document: {} }, { ...persisted, timeoutMs: 60_000 });
    await expect(hasty.delete('a', persisted)).rejects.toMatchObject({ code: 'TIMEOUT' });
    worker.go();
    await expect(patient).resolves.toMatchObject({ outcome: 'applied' });
  });

  test('in one frame with others has its own answer, and failures of the others are events', async () => {
    const failures = failuresOf(client);
    worker.objects.put('shard#0/b', { version: 5, epoch: 3 });
    const results = await Promise.all([
      client.save({ id: 'shard#0/a', type: 'T', document: {} }),
      client.save({ id: 'shard#0/b', type: 'T', document: {} }),
      client.save({ id: 'shard#0/c', type: 'T', document: {} }, persisted),
      client.load('shard#0/a'),
    ]);
    expect(worker.frames).toHaveLength(1);
    expect(results.map((result) => ('outcome' in result ? result.outcome : result.found))).toStrictEqual([
      'confirmed',
      'confirmed',
      'applied',
      true,
    ]);
    expect(failures).toMatchObject([{ id: 'shard#0/b', outcome: 'fenced' }]);
  });

  test('whose whole frame was rejected fails with the code of the frame', async () => {
    worker.replyWith = () =>
      encodeReply([{ line: { outcome: 'rejected', code: 'UNSUPPORTED_VERSION', message: 'too old' } }]);
    const objects = ['shard#0/a', 'shard#0/b'].map((id) => ({ id, type: 'T', document: {} }));
    await expect(client.saveMany(objects, persisted)).rejects.toMatchObject({
      errors: [
        { code: 'UNSUPPORTED_VERSION', outcome: 'rejected', id: 'shard#0/a' },
        { code: 'UNSUPPORTED_VERSION', outcome: 'rejected', id: 'shard#0/b' },
      ],
    });
  });

  test.each([
    ['is no reply', 'gibberish\n'],
    ['has too few lines', '{"id":"shard#0/a","outcome":"applied","version":1,"epoch":0}\n'],
    [
      'is about other objects',
      '{"id":"shard#0/b","outcome":"applied"}\n{"id":"shard#0/a","outcome":"applied"}\n',
    ],
  ])('whose reply %s is unknown', async (_, text) => {
    worker.replyWith = () => [Buffer.from(text)];
    const objects = ['shard#0/a', 'shard#0/b'].map((id) => ({ id, type: 'T', document: {} }));
    await expect(client.saveMany(objects, persisted)).rejects.toMatchObject({
      errors: [{ code: 'UNAVAILABLE' }, { code: 'UNAVAILABLE' }],
    });
    expect(client.stats()).toMatchObject({ awaitingItems: 0 });
  });
});

describe('a failure that nobody waits for', () => {
  test('is an event with what is stored', async () => {
    worker.objects.put('a', { version: 5, epoch: 3 });
    const failure = once(client, 'failure');
    await client.save({ id: 'a', type: 'T', document: {}, version: 6 });
    await expect(within(5_000, 'the event', failure)).resolves.toStrictEqual([
      {
        id: 'a',
        outcome: 'fenced',
        code: 'FENCED',
        message: 'the object was claimed with a higher epoch',
        version: 5,
        epoch: 3,
      },
    ]);
    expect(client.stats().failures).toStrictEqual({ FENCED: 1 });
    expect(installation.log).toStrictEqual([]);
  });

  test('is logged as an error if nobody listens', async () => {
    worker.objects.put('a', { version: 5, epoch: 3 });
    await client.delete({ id: 'a', version: 6 });
    await eventually(() => installation.log.length > 0);
    expect(installation.log).toMatchObject([
      {
        level: 'error',
        message: 'a confirmed write failed',
        fields: { objectId: 'a', code: 'FENCED', version: 5, epoch: 3 },
      },
    ]);
  });

  test('of a conflict that may be with its own first delivery says so', async () => {
    const failures = failuresOf(client);
    worker.script = () => ({
      line: { id: 'a', outcome: 'conflict', version: 9, epoch: 0, redelivered: true },
    });
    await client.save({ id: 'a', type: 'T', document: {}, ifVersion: 3 });
    await eventually(() => failures.length === 1);
    expect(failures).toMatchObject([{ id: 'a', outcome: 'conflict', code: 'UNAVAILABLE', version: 9 }]);
  });

  test.each([true, false])(
    'is a save superseded by somebody else, whether the worker knows how to say only that: %s',
    async (knowsUnapplied) => {
      worker.knowsUnapplied = knowsUnapplied;
      const failures = failuresOf(client);
      const foreign = Date.now() * 1_000 + 60_000_000;
      worker.objects.put('a', { version: foreign });
      await client.save({ id: 'a', type: 'T', document: {} });
      await eventually(() => failures.length === 1);
      expect(failures).toMatchObject([
        {
          id: 'a',
          outcome: 'conflict',
          code: 'CONFLICT',
          message: 'it was superseded by a version that this client did not issue',
          version: foreign,
        },
      ]);
      // It is known now. One that is superseded by our own is well.
      const { version } = await client.save({ id: 'a', type: 'T', document: {} });
      expect(version).toBe(foreign + 1);
      await client.save({ id: 'a', type: 'T', document: {}, version: foreign - 1 });
      await client.save({ id: 'b', type: 'T', document: {} }, persisted);
      await client.load('a');
      expect(worker.objects.get('a').version).toBe(version);
      expect(failures).toHaveLength(1);
    },
  );

  test('beside an awaited command is also a save superseded by somebody else', async () => {
    const failures = failuresOf(client);
    worker.objects.put('shard#0/a', { version: 2 ** 52 });
    await Promise.all([client.save({ id: 'shard#0/a', type: 'T', document: {} }), client.load('shard#0/b')]);
    expect(worker.frames).toHaveLength(1);
    expect(failures).toMatchObject([{ id: 'shard#0/a', code: 'CONFLICT', version: 2 ** 52 }]);
  });

  test('of a whole frame has no id', async () => {
    const failures = failuresOf(client);
    worker.script = () => ({
      line: { outcome: 'rejected', code: 'TOO_LARGE', message: 'the frame is too large' },
    });
    await client.save({ id: 'a', type: 'T', document: {} });
    await eventually(() => failures.length === 1);
    expect(failures).toMatchObject([{ id: undefined, code: 'TOO_LARGE', message: 'the frame is too large' }]);
  });

  test('reaches the other listeners of the process even if one throws', async () => {
    const failures = failuresOf(client);
    await client.save({ id: 'first', type: 'T', document: {} });
    worker.objects.put('a', { epoch: 3 });
    await client.save({ id: 'a', type: 'T', document: {} });
    await eventually(() => failures.length === 1);
    await expect(client.load('first')).resolves.toMatchObject({ found: true });
  });
});

test('messages in the queue of replies that are none are ignored and logged', async () => {
  const { version } = await client.save({ id: 'a', type: 'T', document: {} }, persisted);
  const replyTo = worker.frames[0]?.delivery.replyTo ?? '';
  await worker.send(replyTo, Buffer.from('x'), { type: 'something else' });
  await worker.send(replyTo, Buffer.from('x'), { correlationId: 'nobody' });
  await worker.send(replyTo, Buffer.from('x'), { correlationId: 'f1:x' });
  await worker.send(replyTo, Buffer.from('x'), { correlationId: 'a1:x' });
  await expect(client.load('a')).resolves.toMatchObject({ version });
  expect(installation.log.map(({ level, message }) => `${level} ${message}`)).toStrictEqual(
    Array.from({ length: 3 }, () => 'warn ignored a reply'),
  );
});
