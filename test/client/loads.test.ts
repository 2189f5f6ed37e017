/** Loads, claims and lists. */
import { beforeEach, describe, expect, test } from 'vitest';
import type { HoldfastClient } from '../../src/client/client.ts';
import { encodeReply } from '../../src/contract/reply.ts';
import { eventually } from '../support/eventually.ts';
import { openInstallation } from './installation.ts';
import type { ScriptedWorker } from './scripted-worker.ts';

const installation = await openInstallation();

let worker: ScriptedWorker;
let client: HoldfastClient;

beforeEach(async () => {
  worker = await installation.work();
  client = await installation.connect();
});

describe('a load', () => {
  test('gives the object with its document, parsed when it is looked at', async () => {
    const text = '{"id": 18446744073709551615, "name": "alice"}';
    worker.objects.put('a', { type: 'T', version: 7, epoch: 2, nextRcseq: 4, document: text });
    const object = await client.load('a');
    expect(object).toMatchObject({
      found: true,
      id: 'a',
      type: 'T',
      version: 7,
      epoch: 2,
      nextRcseq: 4,
      text,
    });
    if (!object.found) throw new Error('absent');
    expect(object.document).toStrictEqual({ id: Number('18446744073709551615'), name: 'alice' });
    expect(object.document).toBe(object.document);
    expect(BigInt(/[0-9]+/.exec(object.text ?? '')?.[0] ?? 0)).toBe(18_446_744_073_709_551_615n);
  });

  test('of nothing gives the version and epoch to go on from', async () => {
    worker.objects.put('a', { live: false, version: 2 ** 52, epoch: 3 });
    await expect(client.load('a')).resolves.toStrictEqual({
      found: false,
      id: 'a',
      version: 2 ** 52,
      epoch: 3,
    });
    await expect(
      client.save({ id: 'a', type: 'T', document: {}, epoch: 3 }, { until: 'persisted' }),
    ).resolves.toMatchObject({ outcome: 'applied', version: 2 ** 52 + 1 });
  });

  test('of many gives them in order, also twice the same', async () => {
    worker.objects.put('b', { version: 2 });
    worker.objects.put('😀'.repeat(255), { version: 3 });
    const objects = await client.loadMany(['a', 'b', '😀'.repeat(255), 'b']);
    expect(objects.map(({ found, version }) => [found, version])).toStrictEqual([
      [false, 0],
      [true, 2],
      [true, 3],
      [true, 2],
    ]);
    expect(worker.frames.length).toBeLessThanOrEqual(2);
    await expect(client.loadMany([])).resolves.toStrictEqual([]);
  });

  test('sees every write of the object that was handed over before', async () => {
    const saved = client.save({ id: 'a', type: 'T', document: { n: 1 } });
    const loaded = client.load('a');
    const deleted = client.delete('a');
    const gone = client.load('a');
    const { version } = await saved;
    await expect(loaded).resolves.toMatchObject({ found: true, version });
    await expect(gone).resolves.toMatchObject({ found: false, version: (await deleted).version });
  });

  test('may leave the document out', async () => {
    worker.objects.put('a', { version: 1 });
    const object = await client.load('a', { document: false });
    expect(object).toMatchObject({ found: true, version: 1, text: undefined, document: undefined });
  });

  test('of what is committed goes to any worker, and expires there with its caller', async () => {
    worker.objects.put('a', { version: 1 });
    const options = { consistency: 'committed', timeoutMs: 5_000 } as const;
    const objects = await client.loadMany(['a', 'b'], options);
    expect(objects.map(({ found }) => found)).toStrictEqual([true, false]);
    const [frame] = worker.frames;
    expect(frame?.queue).toBe(installation.names.loadsQueue);
    expect(frame?.arrivals).toHaveLength(2);
    const { command } = frame?.arrivals[0] ?? {};
    expect(command?.action === 'load' && (command.deadline ?? 0) - Date.now()).toBeGreaterThan(1_000);
  });

  test.each(['ordered', 'committed'] as const)(
    'without an answer in time fails, and is not sent if that was before (%s)',
    async (consistency) => {
      worker.hold();
      const waiting = client.load('a', { consistency, timeoutMs: 50 });
      await expect(waiting).rejects.toMatchObject({
        name: 'ClientError',
        code: 'TIMEOUT',
        message: 'no answer within 50 ms',
        id: 'a',
      });
      expect(client.stats()).toMatchObject({ awaitingItems: 0, bufferedItems: 0 });
      worker.go();
      await expect(client.load('a', { consistency })).resolves.toMatchObject({ found: false });
    },
  );

  test('that the worker refuses fails with its code', async () => {
    worker.script = () => ({
      line: { id: 'a', outcome: 'rejected', code: 'UNSTORABLE', message: 'damaged' },
    });
    await expect(client.load('a')).rejects.toMatchObject({
      name: 'OutcomeError',
      code: 'UNSTORABLE',
      message: 'damaged',
    });
  });

  test('that expired at the worker is a timeout, and the clocks are named', async () => {
    worker.script = () => ({ line: { id: 'a', outcome: 'rejected', code: 'EXPIRED', message: 'too late' } });
    const late = {
      name: 'ClientError',
      code: 'TIMEOUT',
      retryable: true,
      message: expect.stringContaining('the clock of this node or of the worker is wrong') as string,
    };
    await expect(client.load('a')).rejects.toMatchObject({ ...late, id: 'a' });
    await expect(client.claim('a')).rejects.toMatchObject(late);
    worker.replyWith = () =>
      encodeReply([{ line: { outcome: 'rejected', id: 'a', code: 'EXPIRED', message: 'too late' } }]);
    await expect(client.list('T')).rejects.toMatchObject(late);
  });

  test('with an unknown consistency is refused', async () => {
    const options = { consistency: 'commited' } as unknown as { consistency: 'committed' };
    await expect(client.load('a', options)).rejects.toMatchObject({
      name: 'ContractError',
      code: 'INVALID_COMMAND',
      message: 'consistency: is not "ordered" or "committed"',
    });
  });

  test('of 1,000 objects is cut into frames whose replies can be held', async () => {
    const ids = Array.from({ length: 1_000 }, (_, n) => `shard#0/${n}`);
    const objects = await client.loadMany(ids);
    expect(objects.map(({ id }) => id)).toStrictEqual(ids);
    expect(Math.max(...worker.frames.map(({ arrivals }) => arrivals.length))).toBe(64);
  });

  test('whose reply comes in parts is put together', async () => {
    const document = `{"x":"${'x'.repeat(1_000_000)}"}`;
    const ids = Array.from({ length: 10 }, (_, n) => `shard#0/${n}`);
    for (const id of ids) worker.objects.put(id, { version: 1, document });
    const parts: number[] = [];
    worker.replyWith = (_, items) => {
      const bodies = encodeReply(items);
      parts.push(bodies.length);
      return bodies;
    };
    const objects = await client.loadMany(ids);
    expect(parts).toStrictEqual([3]);
    expect(objects.map((object) => object.found && object.text === document)).toStrictEqual(
      ids.map(() => true),
    );
  });

  test('goes with no more others into a frame than their reply has room for', async () => {
    const small = await installation.connect({ replyBytesMax: 8_000_000, documentBytesMax: 1_000_000 });
    const document = `{"x":"${'x'.repeat(900_000)}"}`;
    const ids = Array.from({ length: 12 }, (_, n) => `shard#0/${n}`);
    for (const id of ids) worker.objects.put(id, { version: 1, document });
    const objects = await Promise.all(ids.map((id) => small.load(id)));
    expect(objects.map((object) => object.found && object.text === document)).toStrictEqual(
      ids.map(() => true),
    );
    expect(Math.max(...worker.frames.map(({ arrivals }) => arrivals.length))).toBe(4);
  });

  test('is asked for again with fewer others if the reply is larger than the client may hold', async () => {
    // The workers allow larger documents than this client knows of.
    const small = await installation.connect({ replyBytesMax: 4_500_000, documentBytesMax: 100_000 });
    const document = `{"x":"${'x'.repeat(1_800_000)}"}`;
    const ids = Array.from({ length: 10 }, (_, n) => `shard#0/${n}`);
    for (const id of ids) worker.objects.put(id, { version: 1, document });
    worker.objects.put('shard#0/huge', { version: 1, document: `{"x":"${'x'.repeat(4_600_000)}"}` });
    const claimId = '00000000-0000-4000-8000-000000000001';
    const claimed = small.claim('shard#0/claimed', { claimId });
    await expect(small.loadMany(ids)).resolves.toMatchObject(ids.map((id) => ({ id, text: document })));
    await expect(claimed).resolves.toMatchObject({ epoch: 1 });
    await expect(small.load('shard#0/huge')).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: 'the reply is larger than 4500000 bytes (replyBytesMax)',
    });
    expect(small.stats()).toMatchObject({ awaitingItems: 0, bufferedItems: 0, framesInFlight: 0 });
  });

  test('of which a part of the reply is lost is asked again', async () => {
    worker.hold();
    const loading = client.load('a');
    const frame = await eventually(() => client.stats().confirmedFrames === 1 && worker.frames[0]);
    const { replyTo = '', correlationId, messageId } = frame.delivery;
    // A second part without the first.
    await worker.send(replyTo, Buffer.from('x\n'), {
      correlationId,
      headers: { 'holdfast-part': 1, 'holdfast-last': true },
    });
    await eventually(() => worker.frames.length === 2);
    expect(worker.frames[1]?.delivery.messageId).toBe(messageId);
    worker.go();
    await expect(loading).resolves.toMatchObject({ found: false });
    expect(client.stats().resentFrames).toBe(1);
  });
});

describe('a claim', () => {
  test('gives a new epoch, which later writes of the object carry', async () => {
    worker.objects.put('a', { version: 5, epoch: 2 });
    const claimed = await client.claim('a');
    expect(claimed).toMatchObject({
      found: true,
      version: 5,
      epoch: 3,
      text: '{}',
      claimId: expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
    });
    expect(client.epochOf('a')).toBe(3);
    await expect(
      client.save({ id: 'a', type: 'T', document: {} }, { until: 'persisted' }),
    ).resolves.toMatchObject({ outcome: 'applied', epoch: 3, storedEpoch: 3 });
    await expect(client.delete('a', { until: 'persisted' })).resolves.toMatchObject({ epoch: 3 });
    await expect(
      client.save({ id: 'a', type: 'T', document: {}, epoch: 2 }, { until: 'persisted' }),
    ).rejects.toMatchObject({ code: 'FENCED' });
    await expect(client.save({ id: 'b', type: 'T', document: {} })).resolves.toMatchObject({ epoch: 0 });
  });

  test('works for an object that is not there, with an epoch of the caller and with the same id again', async () => {
    const claimId = '0190A1B2-c3d4-7e5f-8a9b-0c1d2e3f4a5b';
    const options = { claimId, epoch: 40, document: false };
    await expect(client.claim('a', options)).resolves.toStrictEqual({
      found: false,
      id: 'a',
      version: 0,
      epoch: 40,
      claimId,
    });
    await expect(client.claim('a', options)).resolves.toMatchObject({ epoch: 40 });
    await expect(client.claim('a')).resolves.toMatchObject({ epoch: 41 });
    expect(client.epochOf('a')).toBe(41);
  });

  test('is forgotten when the object is released', async () => {
    await client.claim('a');
    expect(client.release('a')).toBe(true);
    expect(client.release('a')).toBe(false);
    await expect(
      client.save({ id: 'a', type: 'T', document: {} }, { until: 'persisted' }),
    ).rejects.toMatchObject({ code: 'FENCED', storedEpoch: 1 });
  });

  test('beyond the bound fails, and leaves those before it as they are', async () => {
    const bounded = await installation.connect({ claimsMax: 2 });
    await bounded.claim('a');
    await bounded.claim('b');
    await expect(bounded.claim('c')).rejects.toMatchObject({ code: 'OVERLOADED', id: 'c' });
    await expect(bounded.claim('a')).resolves.toMatchObject({ epoch: 2 });
    bounded.release('b');
    await expect(bounded.claim('c')).resolves.toMatchObject({ epoch: 1 });
    expect(bounded.stats()).toMatchObject({ claimedObjects: 2 });
  });

  test('with an id that is no UUID is refused', async () => {
    await expect(client.claim('a', { claimId: 'mine' })).rejects.toMatchObject({ code: 'INVALID_COMMAND' });
  });
});

describe('a list', () => {
  const IDS = ['B', 'a', 'b', 'é', '\uffff', '😀'];

  beforeEach(() => {
    for (const [n, id] of IDS.entries()) worker.objects.put(id, { type: 'Room', version: n + 1 });
    worker.objects.put('other', { type: 'Other', version: 1 });
  });

  test('gives one page in the order of the bytes of the ids', async () => {
    const page = await client.list('Room', { after: 'B', limit: 3 });
    expect(page.objects.map(({ id, type, version, text }) => [id, type, version, text])).toStrictEqual([
      ['a', 'Room', 2, undefined],
      ['b', 'Room', 3, undefined],
      ['é', 'Room', 4, undefined],
    ]);
    expect(page.more).toBe(true);
    await expect(client.list('Nothing')).resolves.toStrictEqual({ objects: [], more: false });
  });

  test('may bring the documents', async () => {
    const { objects, more } = await client.list('Other', { documents: true });
    expect(objects).toMatchObject([{ id: 'other', text: '{}', document: {} }]);
    expect(more).toBe(false);
  });

  test.each([1, 2, 3, 5, 6, 7])('of all is read page by page (pages of %i)', async (limit) => {
    const ids: string[] = [];
    for await (const { id } of client.listAll('Room', { limit })) ids.push(id);
    expect(ids).toStrictEqual(IDS);
    expect(worker.frames).toHaveLength(Math.floor(IDS.length / limit) + 1);
    expect(worker.frames.every(({ arrivals }) => arrivals.length === 1)).toBe(true);
  });

  test('stops asking when its reader stops', async () => {
    for await (const { id } of client.listAll('Room', { limit: 1 })) if (id === 'a') break;
    expect(worker.frames).toHaveLength(2);
  });

  test('that a worker refuses fails with its code', async () => {
    worker.script = () => ({ line: { outcome: 'rejected', code: 'EXPIRED', message: 'too late' } });
    await expect(client.list('Room')).rejects.toMatchObject({ code: 'EXPIRED' });
    await expect(client.list('Room', { limit: 10_001 })).rejects.toMatchObject({ code: 'INVALID_COMMAND' });
  });
});
