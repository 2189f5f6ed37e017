/** Saves and deletes as they go over the wire, and what is refused before it does. */
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { connect } from '../../src/client/connect.ts';
import { partitionOf } from '../../src/contract/partition.ts';
import { eventually } from '../support/eventually.ts';
import { openInstallation, PARTITIONS } from './installation.ts';

const installation = await openInstallation();

/** Different ids that all belong into one partition. */
function idsOfPartition(partition: number, count: number): string[] {
  const ids: string[] = [];
  for (let n = 0; ids.length < count; n += 1) {
    if (partitionOf(`object-${n}`, PARTITIONS) === partition) ids.push(`object-${n}`);
  }
  return ids;
}

describe('a save', () => {
  test('resolves when the broker has confirmed it, before any worker is there', async () => {
    const client = await installation.connect();
    const result = await client.save({ id: 'user-123', type: 'UserProfile', document: { name: 'alice' } });
    expect(result).toStrictEqual({
      id: 'user-123',
      version: expect.any(Number) as number,
      epoch: 0,
      outcome: 'confirmed',
      storedVersion: undefined,
      storedEpoch: undefined,
    });
    expect(Math.abs(result.version / 1_000 - Date.now())).toBeLessThan(60_000);
    expect(client.stats()).toMatchObject({ confirmedCommands: 1, bufferedItems: 0, bufferedBytes: 0 });
  });

  test('goes out with everything the contract asks of a frame', async () => {
    const worker = await installation.work();
    const client = await installation.connect({ node: 'object node ä' });
    const { version } = await client.save({
      id: 'a',
      type: 'T',
      document: { x: 1 },
      epoch: 3,
      ifVersion: 0,
      nextRcseq: 9,
    });
    const frame = await eventually(() => worker.frames[0]);
    expect(frame.arrivals[0]).toMatchObject({
      command: { action: 'save', id: 'a', type: 'T', version, epoch: 3, ifVersion: 0, nextRcseq: 9 },
      document: '{"x":1}',
    });
    expect(frame.delivery).toMatchObject({
      type: 'holdfast.commands.v1',
      appId: 'object node ä',
      messageId: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7/) as string,
      correlationId: expect.any(String) as string,
      replyTo: expect.stringMatching(
        new RegExp(`^${installation.names.prefix}\\.replies\\.object_node__-[0-9a-f]{16}$`),
      ) as string,
      headers: { 'holdfast-reply': 'failures' },
    });
    expect(Math.abs((frame.delivery.timestamp ?? 0) - Date.now() / 1_000)).toBeLessThan(60);
  });

  test('of text or bytes arrives byte for byte, with integers beyond 2^53', async () => {
    const worker = await installation.work();
    const client = await installation.connect();
    const text = '{ "id":18446744073709551615, "exact": 0.1000, "e":1E2, "u":"\\u00e9é😀", "u":2}';
    await client.save({ id: 'text', type: 'T', document: text });
    await client.save({ id: 'bytes', type: 'T', document: new TextEncoder().encode(text) });
    const arrivals = await eventually(() => worker.arrivals.length === 2 && worker.arrivals);
    expect(arrivals.map(({ document }) => document)).toStrictEqual([text, text]);
  });

  test('that does not fit the schema of its type fails before anything is sent', async () => {
    const worker = await installation.work();
    const client = await installation.connect({ types: { User: z.object({ name: z.string() }) } });
    const saving = client.save({ id: 'a', type: 'User', document: { name: 7 } });
    await expect(saving).rejects.toMatchObject({ code: 'SCHEMA_VIOLATION', issues: [['name']] });
    await client.save({ id: 'a', type: 'User', document: { name: 'alice' } });
    await client.save({ id: 'b', type: 'Other', document: { name: 7 } });
    const arrivals = await eventually(() => worker.arrivals.length === 2 && worker.arrivals);
    expect(arrivals.map(({ document }) => document)).toStrictEqual(['{"name":"alice"}', '{"name":7}']);
  });

  test('of a type whose schema is none cannot even be asked for', async () => {
    await expect(installation.connect({ types: { User: { name: 'string' } } })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('types: "User" is not a Zod schema') as string,
    });
  });

  test('of text on several lines arrives on one', async () => {
    const worker = await installation.work();
    const client = await installation.connect();
    const text = '{\n  "a": 1,\r\n  "b": "line\\nline"\n}';
    await client.save({ id: 'pretty', type: 'T', document: text });
    const [arrival] = await eventually(() => worker.arrivals.length === 1 && worker.arrivals);
    expect(arrival?.document).toBe('{   "a": 1,\r   "b": "line\\nline" }');
  });

  test('may have ids and types of 255 emoji, quotes and newlines', async () => {
    const worker = await installation.work();
    const client = await installation.connect();
    const names = ['😀'.repeat(255), '"\\\n\u2028\ufeff', '__proto__', 'shard#5/x'];
    await Promise.all(names.map((name) => client.save({ id: name, type: name, document: {} })));
    const arrivals = await eventually(() => worker.arrivals.length === names.length && worker.arrivals);
    const arrived = arrivals.map(
      ({ command }) => command.action === 'save' && `${command.id} ${command.type}`,
    );
    expect(new Set(arrived)).toStrictEqual(new Set(names.map((name) => `${name} ${name}`)));
  });

  test.each([
    ['an empty id', { id: '' }, 'INVALID_COMMAND'],
    ['an id of 256 characters', { id: 'x'.repeat(256) }, 'INVALID_COMMAND'],
    ['an id with U+0000', { id: 'a\0' }, 'INVALID_COMMAND'],
    ['a type with a lone surrogate', { type: '\ud800' }, 'INVALID_COMMAND'],
    ['a version of 0', { version: 0 }, 'INVALID_COMMAND'],
    ['a version beyond 2^53', { version: 2 ** 53 }, 'INVALID_COMMAND'],
    ['a fractional epoch', { epoch: 0.5 }, 'INVALID_COMMAND'],
    ['a negative ifVersion', { ifVersion: -1 }, 'INVALID_COMMAND'],
    ['a negative nextRcseq', { nextRcseq: -1 }, 'INVALID_COMMAND'],
    ['an array', { document: [] }, 'INVALID_DOCUMENT'],
    ['a text that is no object', { document: '[]' }, 'INVALID_DOCUMENT'],
    ['a U+0000', { document: { a: '\0' } }, 'UNSTORABLE'],
    ['a document above the limit', { document: { a: 'x'.repeat(1_048_576) } }, 'TOO_LARGE'],
  ])('with %s is refused before it is sent', async (_, fault, code) => {
    const client = await installation.connect();
    await expect(client.save({ id: 'a', type: 'T', document: {}, ...fault })).rejects.toMatchObject({
      name: 'ContractError',
      code,
    });
    expect(client.stats()).toMatchObject({ confirmedCommands: 0, bufferedItems: 0 });
  });

  test('gets rising versions, also above what the caller gave and what it knows of the object', async () => {
    const client = await installation.connect();
    const wild = 2 ** 52;
    const save = async (more: object) =>
      (await client.save({ id: 'a', type: 'T', document: {}, ...more })).version;
    const first = await save({});
    const second = await save({});
    expect(second).toBeGreaterThan(first);
    expect(await save({ version: wild })).toBe(wild);
    expect(await save({})).toBe(wild + 1);
    expect(await save({ ifVersion: wild + 100 })).toBe(wild + 101);
    await expect(client.save({ id: 'b', type: 'T', document: {} })).resolves.toMatchObject({
      version: expect.toSatisfy((version: number) => version < wild) as number,
    });
  });

  test('of an object whose versions are used up is refused', async () => {
    const client = await installation.connect();
    await client.save({ id: 'a', type: 'T', document: {}, version: Number.MAX_SAFE_INTEGER });
    await expect(client.save({ id: 'a', type: 'T', document: {} })).rejects.toMatchObject({
      code: 'INVALID_COMMAND',
      message: expect.stringContaining('used up') as string,
    });
  });
});

describe('many commands', () => {
  test('of one turn go out in one frame for each partition, in the order of the calls', async () => {
    const worker = await installation.work();
    const client = await installation.connect();
    const ids = [...idsOfPartition(0, 50), ...idsOfPartition(1, 50)];
    await Promise.all(ids.map((id, n) => client.save({ id, type: 'T', document: { n } })));
    await eventually(() => worker.arrivals.length === ids.length);
    expect(worker.frames).toHaveLength(2);
    for (const partition of [0, 1]) {
      const frame = worker.frames.find(({ queue }) => queue.endsWith(`.${partition}`));
      expect(frame?.arrivals.map(({ command }) => command.action === 'save' && command.id)).toStrictEqual(
        idsOfPartition(partition, 50),
      );
    }
    expect(client.stats()).toMatchObject({ confirmedFrames: 2, confirmedCommands: 100 });
  });

  test('of one object stay in order, one frame on its way at a time', async () => {
    const worker = await installation.work();
    const client = await installation.connect({ framesInFlightMax: 4, frameCommandsMax: 3 });
    await Promise.all(
      Array.from({ length: 30 }, (_, n) => client.save({ id: 'same', type: 'T', document: { n } })),
    );
    const arrivals = await eventually(() => worker.arrivals.length === 30 && worker.arrivals);
    expect(arrivals.map(({ document }) => document)).toStrictEqual(
      Array.from({ length: 30 }, (_, n) => `{"n":${n}}`),
    );
    expect(worker.frames.map(({ arrivals: { length } }) => length)).toStrictEqual(
      Array.from({ length: 10 }, () => 3),
    );
  });

  test('are cut at the limits of a frame, and a larger one goes alone', async () => {
    const worker = await installation.work();
    const client = await installation.connect({ frameBytesMax: 1_000 });
    const [small = '', large = '', after = ''] = idsOfPartition(0, 3);
    await client.saveMany([
      { id: small, type: 'T', document: { x: 'x'.repeat(300) } },
      { id: large, type: 'T', document: { x: 'x'.repeat(200_000) } },
      { id: after, type: 'T', document: {} },
    ]);
    const frames = await eventually(() => worker.arrivals.length === 3 && worker.frames);
    expect(frames.map(({ arrivals }) => arrivals.length)).toStrictEqual([1, 1, 1]);
    expect(worker.arrivals[1]?.document).toHaveLength(200_008);
  });

  test('of one call have their results in order', async () => {
    const worker = await installation.work();
    const client = await installation.connect();
    const saved = await client.saveMany(
      ['a', 'b', 'a'].map((id, n) => ({ id, type: 'T', document: { n }, version: n + 1 })),
      { until: 'persisted' },
    );
    expect(saved.map(({ id, version, outcome }) => [id, version, outcome])).toStrictEqual([
      ['a', 1, 'applied'],
      ['b', 2, 'applied'],
      ['a', 3, 'applied'],
    ]);
    const deleted = await client.deleteMany(['b', { id: 'a', ifVersion: 3 }], { until: 'persisted' });
    expect(deleted.map(({ id, outcome }) => [id, outcome])).toStrictEqual([
      ['b', 'applied'],
      ['a', 'applied'],
    ]);
    expect(worker.objects.get('a').live).toBe(false);
    await expect(client.saveMany([])).resolves.toStrictEqual([]);
  });

  test('are all refused if one is bad in itself, and the error says which', async () => {
    const client = await installation.connect();
    const objects = ['a', '', 'c'].map((id) => ({ id, type: 'T', document: {} }));
    await expect(client.saveMany(objects)).rejects.toMatchObject({
      name: 'ContractError',
      code: 'INVALID_COMMAND',
      message: 'command 1: id: is empty',
    });
    expect(client.stats()).toMatchObject({ bufferedItems: 0, confirmedCommands: 0 });
  });

  test('of which some fail say of each what became of it', async () => {
    const worker = await installation.work();
    worker.script = ({ command }) =>
      'id' in command && command.id === 'bad'
        ? { line: { id: 'bad', outcome: 'rejected', code: 'SCHEMA_VIOLATION', message: 'no name' } }
        : undefined;
    const client = await installation.connect();
    const objects = ['good', 'bad'].map((id) => ({ id, type: 'T', document: {} }));
    await expect(client.saveMany(objects, { until: 'persisted' })).rejects.toMatchObject({
      name: 'PartialFailureError',
      code: 'SCHEMA_VIOLATION',
      results: [{ id: 'good', outcome: 'applied' }, undefined],
      errors: [undefined, { name: 'OutcomeError', id: 'bad', message: 'no name' }],
    });
  });
});

describe('connecting', () => {
  test('fails with a clear error if nothing answers, without the password', async () => {
    const url = 'amqp://someone:secret@127.0.0.1:1';
    await expect(connect({ url, node: 'n' })).rejects.toMatchObject({
      name: 'BrokerError',
      code: 'BROKER_UNAVAILABLE',
      message:
        'cannot connect to RabbitMQ at amqp://someone:***@127.0.0.1:1: connect ECONNREFUSED 127.0.0.1:1',
    });
  });

  test('waits for the broker if told to, until a signal ends that', async () => {
    const ending = new AbortController();
    const connecting = connect({
      url: 'amqp://127.0.0.1:1',
      node: 'n',
      waitForBroker: true,
      retryDelayMsMin: 5,
      signal: ending.signal,
    });
    await expect(Promise.race([connecting, delay(100, 'waiting')])).resolves.toBe('waiting');
    const reason = new Error('no longer');
    ending.abort(reason);
    await expect(connecting).rejects.toBe(reason);
  });

  test('names every option that is wrong', async () => {
    const options = { url: 'http://x', node: '', partitions: 3, retryDelayMsMin: 9, retryDelayMsMax: 8 };
    await expect(connect(options)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(/url: .*node: .*partitions: /) as string,
    });
  });
});
