/**
 * A publisher that is not our client: nothing but amqplib, text written by hand, and arithmetic done here. Goal: the wire
 * contract holds for any AMQP client in any language; nothing of src is used but what starts the worker.
 */
import { type ConfirmChannel, type ConsumeMessage, connect } from 'amqplib';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { openScratch } from '../support/scratch.ts';
import { startWorker } from '../support/test-worker.ts';

const scratch = await openScratch();
const prefix = scratch.id;
const EXCHANGE = `${prefix}.commands`;
const REPLY_QUEUE = `${prefix}.replies.bare-1`;
const N = 4;

/** FNV-1a, 32 bits, over UTF-8: offset basis 2166136261, prime 16777619. */
function fnv1a32(text: string): bigint {
  let hash = 2_166_136_261n;
  for (const byte of new TextEncoder().encode(text)) hash = ((hash ^ BigInt(byte)) * 16_777_619n) % 2n ** 32n;
  return hash;
}

const routingKeyOf = (id: string): string => `${N}.${(fnv1a32(id) % 8_192n) % BigInt(N)}`;

let channel: ConfirmChannel;
const replies: ConsumeMessage[] = [];
const connection = await connect(inject('amqpUrl'));

beforeAll(async () => {
  await startWorker(scratch);
  channel = await connection.createConfirmChannel();
  await channel.assertQueue(REPLY_QUEUE, { exclusive: true });
  await channel.consume(REPLY_QUEUE, (message) => message && replies.push(message), { noAck: true });
});

afterAll(() => connection.close());

interface Properties {
  readonly correlationId: string;
  readonly [name: string]: unknown;
}

async function publish(routingKey: string, body: string, properties: Properties): Promise<void> {
  channel.publish(EXCHANGE, routingKey, Buffer.from(body), {
    contentType: 'application/x-ndjson',
    type: 'holdfast.commands.v1',
    deliveryMode: 2,
    mandatory: true,
    messageId: `message-${properties.correlationId}`,
    timestamp: 1_763_894_400,
    appId: 'bare-node',
    replyTo: REPLY_QUEUE,
    ...properties,
  });
  await channel.waitForConfirms();
}

const replyTo = (correlationId: string): Promise<ConsumeMessage> =>
  eventually(() => replies.find(({ properties }) => properties.correlationId === correlationId));

async function ask(routingKey: string, body: string, correlationId: string): Promise<string> {
  await publish(routingKey, body, { correlationId });
  return (await replyTo(correlationId)).content.toString();
}

const sendLoads = (body: string, correlationId: string): void => {
  channel.sendToQueue(`${prefix}.loads`, Buffer.from(body), {
    type: 'holdfast.commands.v1',
    replyTo: REPLY_QUEUE,
    correlationId,
    expiration: '10000',
  });
};

describe('the partition', () => {
  it('is computed as Goverse and every other implementation does it', () => {
    expect([fnv1a32(''), fnv1a32('a'), fnv1a32('foobar')]).toEqual([0x811c9dc5n, 0xe40c292cn, 0xbf9cf968n]);
    expect(fnv1a32('user-123') % 8_192n).toBe(3_219n);
    expect(fnv1a32('ChatRoom-General') % 8_192n).toBe(7_497n);
    expect([routingKeyOf('user-123'), routingKeyOf('ChatRoom-General')]).toEqual(['4.3', '4.1']);
  });
});

describe('frames written by hand', () => {
  it('save an object, load it and delete it', async () => {
    expect(
      await ask(
        '4.3',
        '{"save":{"id":"user-123","type":"UserProfile","version":1763894400000001}}\n' +
          '{"username":"alice","email":"alice@example.com","score":100}\n',
        'save',
      ),
    ).toBe('{"id":"user-123","outcome":"applied","version":1763894400000001,"epoch":0}\n');
    expect(await ask('4.3', '{"load":{"id":"user-123"}}\n', 'load')).toBe(
      '{"id":"user-123","outcome":"found","type":"UserProfile","version":1763894400000001,"epoch":0,"nextRcseq":0}\n' +
        '{"email": "alice@example.com", "score": 100, "username": "alice"}\n',
    );
    expect(await ask('4.3', '{"delete":{"id":"user-123","version":1763894400000002}}\n', 'delete')).toBe(
      '{"id":"user-123","outcome":"applied","version":1763894400000002,"epoch":0}\n',
    );
    expect(await ask('4.3', '{"load":{"id":"user-123"}}\n', 'gone')).toBe(
      '{"id":"user-123","outcome":"absent","version":1763894400000002,"epoch":0}\n',
    );
  });

  it('hold many commands of one partition, answered in their order by one reply', async () => {
    const id = 'ChatRoom-General';
    const others = Array.from({ length: 200 }, (_, n) => `room-${n}`).filter(
      (each) => routingKeyOf(each) === routingKeyOf(id),
    );
    const body = [
      ...others.map((each) => `{"save":{"id":"${each}","type":"ChatRoom","version":7}}\n{"members":[]}\n`),
      `{"load":{"id":"${others[0]}","document":false}}\n`,
      `{"delete":{"id":"${id}","version":7}}\n`,
    ].join('');
    const reply = await ask('4.1', body, 'many');
    expect(reply.split('\n').slice(0, -1)).toEqual([
      ...others.map((each) => `{"id":"${each}","outcome":"applied","version":7,"epoch":0}`),
      `{"id":"${others[0]}","outcome":"found","type":"ChatRoom","version":7,"epoch":0,"nextRcseq":0}`,
      `{"id":"${id}","outcome":"applied","version":7,"epoch":0}`,
    ]);
  });

  it('may lack the last newline, and carry fields for others under x-', async () => {
    const body = '{"save":{"id":"user-123","type":"T","version":1763894400000009,"x-tenant":"a"}}\n{"x":1}';
    expect(await ask('4.3', body, 'lenient')).toMatch(/^\{"id":"user-123","outcome":"applied"/);
  });

  it('name a shard in the id, which then decides the partition', async () => {
    expect(await ask('4.1', '{"save":{"id":"shard#5/x","type":"T","version":1}}\n{}\n', 'shard')).toMatch(
      /"outcome":"applied"/,
    );
  });

  it('use ids of any script, hashed by their UTF-8 bytes', async () => {
    const id = 'Größe-日本-😀';
    const body = `{"save":{"id":"${id}","type":"T","version":1}}\n{"a":"ü"}\n`;
    expect(await ask(routingKeyOf(id), body, 'script')).toBe(
      `{"id":"${id}","outcome":"applied","version":1,"epoch":0}\n`,
    );
  });
});

describe('the reply', () => {
  it('carries type, content type, correlation and its place among the parts', async () => {
    await publish('4.3', '{"load":{"id":"user-123"}}\n', { correlationId: 'properties' });
    const { properties } = await replyTo('properties');
    expect(properties).toMatchObject({
      type: 'holdfast.replies.v1',
      contentType: 'application/x-ndjson',
      correlationId: 'properties',
    });
    expect(properties.headers).toMatchObject({ 'holdfast-part': 0, 'holdfast-last': true });
  });

  it('says of a frame in the wrong place where it belongs', async () => {
    expect(await ask('4.0', '{"delete":{"id":"user-123","version":1}}\n', 'wrong')).toMatch(
      /^\{"id":"user-123","outcome":"rejected","code":"WRONG_PARTITION","message":".*4\.3.*"\}\n$/,
    );
  });

  it('to a frame that is none has no id', async () => {
    expect(await ask('4.0', 'hello\n', 'none')).toMatch(
      /^\{"outcome":"rejected","code":"MALFORMED_FRAME","message":"[^"]+"\}\n$/,
    );
  });
});

describe('a publisher who counts partitions otherwise', () => {
  it('gets its frame back and loses nothing', async () => {
    const returned = new Promise<string>((resolve) => {
      channel.once('return', ({ fields }) => resolve(fields.routingKey));
    });
    await publish('16.3', '{"delete":{"id":"user-123","version":1}}\n', { correlationId: 'stale' });
    expect(await returned).toBe('16.3');
  });
});

describe('the queue of unordered loads', () => {
  it('takes loads and lists without a partition', async () => {
    sendLoads('{"load":{"id":"shard#5/x"}}\n{"load":{"id":"nobody"}}\n', 'committed');
    expect((await replyTo('committed')).content.toString()).toBe(
      '{"id":"shard#5/x","outcome":"found","type":"T","version":1,"epoch":0,"nextRcseq":0}\n{}\n' +
        '{"id":"nobody","outcome":"absent","version":0,"epoch":0}\n',
    );
    sendLoads('{"list":{"type":"ChatRoom","after":"room-1","limit":1}}\n', 'list');
    const next = Array.from({ length: 200 }, (_, n) => `room-${n}`)
      .filter((id) => routingKeyOf(id) === '4.1' && id > 'room-1')
      .toSorted()[0];
    expect((await replyTo('list')).content.toString()).toBe(
      `{"id":"${next}","outcome":"found","type":"ChatRoom","version":7,"epoch":0,"nextRcseq":0}\n`,
    );
  });
});
