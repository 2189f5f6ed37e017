/** Replies as they come over the wire. Goal: who asked hears what he wants to hear, and what nobody hears becomes a letter. */
import { randomUUID } from 'node:crypto';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { Letters } from '../support/letters.ts';
import { openScratch, PARTITIONS } from '../support/scratch.ts';
import { onChannel } from '../support/test-broker.ts';
import {
  idsOfPartition,
  lines,
  load,
  remove,
  type SendOptions,
  save,
  TestPublisher,
} from '../support/test-publisher.ts';
import { startWorker, type TestWorker } from '../support/test-worker.ts';

const scratch = await openScratch();
let worker: TestWorker;
let publisher: TestPublisher;
let letters: Letters;

beforeAll(async () => {
  worker = await startWorker(scratch);
  publisher = await TestPublisher.open(scratch);
  letters = await Letters.open(scratch);
});

let objects = 0;
/** Of one partition, so that a frame can hold them together and the next frame is answered behind it. */
let ids: string[] = [];

beforeEach(() => {
  objects += 1;
  ids = idsOfPartition(0, 4, `replied-${objects}`);
});

const FAILURES = { headers: { 'holdfast-reply': 'failures' } };
const UNAPPLIED = { headers: { 'holdfast-reply': 'unapplied' } };
const MIB = 1_048_576;

/** Sends a frame and waits until it is settled: what comes behind it in its partition was answered. */
async function settled(frame: string, options: SendOptions = {}): Promise<void> {
  await publisher.send(frame, options);
  await publisher.request(load({ id: ids[0] ?? '' }));
}

describe('a reply above 4 MiB', () => {
  it('comes in numbered parts, cut between lines', async () => {
    const text = (n: number): string => `{"n": ${n}, "text": "${'x'.repeat(MIB - 100)}"}`;
    const many = idsOfPartition(1, 10, 'large');
    await Promise.all(many.map((id, n) => publisher.request(save({ id, version: 1 }, text(n)))));
    const before = await worker.metric('holdfast_replies_total');
    const reply = await publisher.request(many.map((id) => load({ id })).join(''));
    // However many parts it has.
    await eventually(async () => (await worker.metric('holdfast_replies_total')) > before);
    expect(await worker.metric('holdfast_replies_total')).toBe(before + 1);
    const sizes = reply.parts.map(({ content }) => content.length);
    expect(sizes.length).toBeGreaterThan(2);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(4 * MIB);
    for (const [index, { content, properties }] of reply.parts.entries()) {
      expect(properties.headers).toMatchObject({
        'holdfast-part': index,
        'holdfast-last': index === reply.parts.length - 1,
      });
      expect(content.at(-1)).toBe(0x0a);
      for (const line of content.toString().trimEnd().split('\n'))
        expect(() => JSON.parse(line)).not.toThrow();
    }
    expect(reply.lines.filter((_, index) => index % 2 === 1)).toEqual(
      many.map((_, n) => ({ n, text: 'x'.repeat(MIB - 100) })),
    );
  });
});

describe('with holdfast-reply: failures', () => {
  it('successful writes are not answered, and where nothing is left to say nothing is sent', async () => {
    const correlationId = randomUUID();
    const [a = '', b = ''] = ids;
    await settled(save({ id: a, version: 2 }) + save({ id: a, version: 1 }) + remove({ id: b, version: 1 }), {
      replyTo: publisher.replyQueue,
      correlationId,
      ...FAILURES,
    });
    expect(publisher.strays.filter(({ properties }) => properties.correlationId === correlationId)).toEqual(
      [],
    );
  });

  it('failures and loads are, in the order of the frame', async () => {
    const [a = '', b = '', c = '', d = ''] = ids;
    await publisher.request(save({ id: a, version: 5, epoch: 5 }) + save({ id: b, version: 5 }));
    const frame =
      save({ id: c, version: 1 }) +
      save({ id: a, version: 6, epoch: 4 }) +
      load({ id: c }) +
      save({ id: b, version: 5 }, '{"other":1}') +
      lines({ save: { id: d, type: 'T', version: 0 } }, '{}') +
      load({ id: d }) +
      save({ id: c, version: 2 });
    const reply = await publisher.request(frame, FAILURES);
    expect(reply.lines).toMatchObject([
      { id: a, outcome: 'fenced', version: 5, epoch: 5 },
      // What was read after the whole frame was written.
      { id: c, outcome: 'found', version: 2 },
      {},
      { id: b, outcome: 'conflict', version: 5, epoch: 0 },
      { id: d, outcome: 'rejected', code: 'INVALID_COMMAND' },
      { id: d, outcome: 'absent' },
    ]);
  });

  it('with unapplied, what somebody else superseded is answered too, and what the frame itself did is not', async () => {
    const [a = '', b = '', c = '', d = ''] = ids;
    await publisher.request(save({ id: a, version: 5 }) + remove({ id: d, version: 5 }));
    const frame =
      save({ id: a, version: 4 }) +
      save({ id: b, version: 2 }) +
      save({ id: b, version: 1 }) +
      // Superseded by a version of the frame that is itself superseded later.
      save({ id: c, version: 2 }) +
      load({ id: c, claim: randomUUID() }) +
      save({ id: c, version: 1, epoch: 1 }) +
      save({ id: c, version: 3, epoch: 1 }) +
      save({ id: d, version: 4 });
    const reply = await publisher.request(frame, UNAPPLIED);
    expect(reply.lines).toMatchObject([
      { id: a, outcome: 'superseded', version: 5 },
      { id: c, outcome: 'found', version: 3 },
      {},
      { id: d, outcome: 'superseded', version: 5 },
    ]);
    const again = await publisher.request(save({ id: b, version: 1 }), UNAPPLIED);
    expect(again.lines).toMatchObject([{ id: b, outcome: 'superseded', version: 2 }]);
    const failures = await publisher.request(save({ id: b, version: 1 }) + load({ id: b }), FAILURES);
    expect(failures.lines).toMatchObject([{ id: b, outcome: 'found' }, {}]);
  });

  it('another value of the header means nothing: all is answered', async () => {
    const reply = await publisher.request(save({ id: ids[0] ?? '', version: 1 }), {
      headers: { 'holdfast-reply': 'everything' },
    });
    expect(reply.lines).toHaveLength(1);
  });
});

describe('a reply', () => {
  it('has no correlation id where the frame had none', async () => {
    publisher.strays.length = 0;
    await publisher.send(save({ id: ids[0] ?? '', version: 1 }), { replyTo: publisher.replyQueue });
    const [stray] = await eventually(() => publisher.strays.length > 0 && publisher.strays);
    expect(stray?.properties.correlationId).toBeUndefined();
  });

  it.each([
    ['of somebody else', () => 'orders'],
    ['that only looks like one of ours', () => `${scratch.names.prefix}.repliesx`],
    ['of another installation', () => 'holdfast.replies.node-1'],
    ['of commands', () => `${scratch.names.prefix}.commands.${PARTITIONS}.1`],
  ])('to a queue %s is not sent, and counted; the frame is done all the same', async (_name, queue) => {
    const ignored = await worker.metric('holdfast_replies_ignored_total');
    const sent = await worker.metric('holdfast_replies_total');
    const id = ids[0] ?? '';
    await publisher.send(save({ id, version: 1 }), { replyTo: queue(), correlationId: 'x' });
    expect((await publisher.request(load({ id }))).lines[0]).toMatchObject({ outcome: 'found' });
    expect(await worker.metric('holdfast_replies_ignored_total')).toBe(ignored + 1);
    expect(await worker.metric('holdfast_replies_total')).toBe(sent + 1);
  });

  it('reaches no queue that is not ours, even if it exists', async () => {
    const queue = `stranger-${scratch.id}`;
    await onChannel(scratch, (channel) => channel.assertQueue(queue, { durable: false }));
    scratch.onEnd(() => onChannel(scratch, (channel) => channel.deleteQueue(queue)));
    await settled(save({ id: ids[0] ?? '', version: 1 }), { replyTo: queue, correlationId: 'x' });
    await onChannel(scratch, async (channel) => {
      expect(await channel.get(queue, { noAck: true })).toBe(false);
    });
  });
});

const setUp = async (): Promise<readonly [fenced: string, conflicting: string, frame: string]> => {
  const [a = '', b = '', c = ''] = ids;
  await publisher.request(save({ id: a, version: 5, epoch: 5 }) + save({ id: b, version: 5 }));
  const fenced = save({ id: a, version: 6, epoch: 4 }, '{"lost":1}');
  const conflicting = remove({ id: b, version: 6, ifVersion: 4 });
  return [fenced, conflicting, fenced + save({ id: c, version: 1 }) + conflicting];
};

describe('a write that is fenced or in conflict', () => {
  it.each([
    ['no reply_to', {}],
    ['a reply_to that is not ours', { replyTo: 'orders', correlationId: 'x' }],
    ['a requester who is gone', { replyTo: `${scratch.names.prefix}.replies.gone`, correlationId: 'x' }],
    [
      'a requester who is gone, and failures only',
      { replyTo: `${scratch.names.prefix}.replies.gone`, correlationId: 'x', ...FAILURES },
    ],
  ])('with %s becomes a letter, for itself', async (_name, options) => {
    const [fenced, conflicting, frame] = await setUp();
    const messageId = randomUUID();
    await settled(frame, { messageId, ...options });
    const found = await letters.of(messageId, 2);
    expect(found.map(({ body }) => body)).toEqual([fenced, conflicting]);
    expect(found.map(({ headers }) => headers['holdfast-code'])).toEqual(['FENCED', 'CONFLICT']);
    expect(found[0]?.headers).toMatchObject({ 'holdfast-object-id': ids[0], 'holdfast-version': 6 });
  });

  it('that was answered is no letter', async () => {
    const [, , frame] = await setUp();
    const messageId = randomUUID();
    const reply = await publisher.request(frame, { messageId });
    expect(reply.lines.map(({ outcome }) => outcome)).toEqual(['fenced', 'applied', 'conflict']);
    await settled(save({ id: ids[3] ?? '', version: 1 }));
    expect(letters.all.filter(({ headers }) => headers['holdfast-message-id'] === messageId)).toEqual([]);
  });
});
