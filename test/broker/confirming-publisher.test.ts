/** Publishing with confirms. Goal: of every message it is said what became of it, and never more than is known. */
import { describe, expect, it } from 'vitest';
import type { BrokerConnection } from '../../src/broker/broker-connection.ts';
import { BrokerError } from '../../src/broker/broker-error.ts';
import {
  ConfirmingPublisher,
  type PublisherOptions,
  type PublishResult,
} from '../../src/broker/confirming-publisher.ts';
import { eventually, within } from '../support/eventually.ts';
import { openScratch } from '../support/scratch.ts';
import {
  brokerConnection,
  connected,
  empty,
  onChannel,
  proxied,
  RETRY,
  SOON_MS,
  testQueue,
} from '../support/test-broker.ts';

const scratch = await openScratch();

function publisherOn(
  connection: BrokerConnection,
  more: Partial<PublisherOptions> = {},
): ConfirmingPublisher {
  const publisher = new ConfirmingPublisher(connection, { confirmTimeoutMs: 10_000, ...RETRY, ...more });
  scratch.onEnd(() => publisher.close());
  return publisher;
}

async function openPublisher(
  connection: BrokerConnection,
  more: Partial<PublisherOptions> = {},
): Promise<ConfirmingPublisher> {
  const publisher = publisherOn(connection, more);
  publisher.start();
  await eventually(() => publisher.open);
  return publisher;
}

const body = Buffer.from('text');

describe('a published message', () => {
  it('is confirmed when a queue has it', async () => {
    const queue = await testQueue(scratch);
    const publisher = await openPublisher(await connected(brokerConnection(scratch)));
    expect(await publisher.publish('', queue, body, { persistent: true })).toBe('confirmed');
    expect(publisher.pendingCount).toBe(0);
    expect(await empty(scratch, queue)).toEqual(['text']);
  });

  it('is returned when no queue takes it', async () => {
    const publisher = await openPublisher(await connected(brokerConnection(scratch)));
    expect(await publisher.publish('', 'no-queue-of-this-name', body, {})).toBe('returned');
  });

  it('is refused when its queue is full', async () => {
    const queue = await testQueue(scratch, {
      arguments: { 'x-queue-type': 'classic', 'x-max-length': 1, 'x-overflow': 'reject-publish' },
    });
    const publisher = await openPublisher(await connected(brokerConnection(scratch)));
    expect(await publisher.publish('', queue, body, {})).toBe('confirmed');
    expect(await publisher.publish('', queue, body, {})).toBe('refused');
  });

  it('is of unknown fate when the network breaks before an answer', async () => {
    const queue = await testQueue(scratch);
    const { proxy, connection } = await proxied(scratch);
    const publisher = await openPublisher(await connected(connection));
    proxy.silence('down');
    const results = Promise.all([1, 2, 3].map(() => publisher.publish('', queue, body, {})));
    await eventually(async () => (await onChannel(scratch, (c) => c.checkQueue(queue))).messageCount === 3);
    proxy.heal();
    expect(await within(SOON_MS, 'the results', results)).toEqual(['unknown', 'unknown', 'unknown']);
    await eventually(() => publisher.open);
    expect(await publisher.publish('', queue, body, {})).toBe('confirmed');
  });

  it('is of unknown fate when the broker closes the channel over it', async () => {
    const publisher = await openPublisher(await connected(brokerConnection(scratch)));
    expect(await publisher.publish('no-exchange-of-this-name', 'x', body, {})).toBe('unknown');
    await eventually(() => publisher.open);
    expect(await publisher.publish('', 'no-queue-of-this-name', body, {})).toBe('returned');
  });

  it('is of unknown fate when no answer comes in time, and the channel is made anew', async () => {
    const { proxy, connection } = await proxied(scratch, { heartbeatMs: 60_000 });
    const publisher = await openPublisher(await connected(connection), { confirmTimeoutMs: 100 });
    proxy.silence('down');
    expect(await within(3_000, 'the result', publisher.publish('', 'x', body, {}))).toBe('unknown');
    proxy.heal();
    await eventually(() => publisher.open);
  });

  it('gets its own result among many of other fates', async () => {
    const queue = await testQueue(scratch);
    const full = await testQueue(scratch, {
      arguments: { 'x-queue-type': 'classic', 'x-max-length': 1, 'x-overflow': 'reject-publish' },
    });
    const publisher = await openPublisher(await connected(brokerConnection(scratch)));
    await publisher.publish('', full, body, {});
    const fates: readonly (readonly [string, PublishResult])[] = [
      [queue, 'confirmed'],
      ['no-queue-of-this-name', 'returned'],
      [full, 'refused'],
    ];
    const sent = Array.from({ length: 300 }, (_, n) => fates[n % fates.length] ?? fates[0]);
    const results = await Promise.all(
      sent.map((fate, n) => publisher.publish('', fate?.[0] ?? '', Buffer.from(String(n)), {})),
    );
    expect(results).toEqual(sent.map((fate) => fate?.[1]));
    expect(await empty(scratch, queue)).toEqual(
      sent.flatMap((fate, n) => (fate?.[1] === 'confirmed' ? [String(n)] : [])),
    );
  });
});

describe('without an open channel', () => {
  it('nothing is sent, and that is said at once', async () => {
    const publisher = publisherOn(brokerConnection(scratch));
    const error = errorOf(() => publisher.publish('', 'x', body, {}));
    expect(await error).toMatchObject({ name: 'BrokerError', code: 'BROKER_UNAVAILABLE', retryable: true });
    expect(publisher.pendingCount).toBe(0);
  });

  it('who publishes again the moment it was lost is told so, as a BrokerError', async () => {
    const { proxy, connection } = await proxied(scratch);
    const publisher = await openPublisher(await connected(connection));
    proxy.silence('down');
    const again = publisher
      .publish('', 'x', body, {})
      .then(async () => await errorOf(() => publisher.publish('', 'x', body, {})));
    proxy.heal();
    const error = await within(SOON_MS, 'the answer', again);
    if (error !== undefined) expect(error).toBeInstanceOf(BrokerError);
    expect(publisher.pendingCount).toBe(0);
  });

  it('who publishes while the broker is closing it is told so, as a BrokerError', async () => {
    const publisher = await openPublisher(await connected(brokerConnection(scratch)));
    const closing = publisher.close();
    const error = await errorOf(() => publisher.publish('', 'no-queue-of-this-name', body, {}));
    await within(SOON_MS, 'closing', closing);
    if (error !== undefined) expect(error).toBeInstanceOf(BrokerError);
    expect(publisher.pendingCount).toBe(0);
  });
});

describe('closing a publisher', () => {
  it('settles what is pending as unknown', async () => {
    const { proxy, connection } = await proxied(scratch);
    const publisher = await openPublisher(await connected(connection));
    proxy.silence('down');
    const results = [1, 2].map(() => publisher.publish('', 'x', body, {}));
    const closing = publisher.close();
    proxy.heal();
    await within(SOON_MS, 'closing', closing);
    expect(await Promise.all(results)).toEqual(['unknown', 'unknown']);
  });

  it('is safe before the start, twice, and at once', async () => {
    const idle = publisherOn(await connected(brokerConnection(scratch)));
    await within(SOON_MS, 'closing', Promise.all([idle.close(), idle.close()]));
    const publisher = await openPublisher(await connected(brokerConnection(scratch)));
    await within(SOON_MS, 'closing', Promise.all([publisher.close(), publisher.close()]));
    expect(publisher.open).toBe(false);
  });
});

/** What is thrown, now or later; `undefined` if nothing is. */
async function errorOf(action: () => Promise<unknown>): Promise<unknown> {
  try {
    await action();
    return undefined;
  } catch (error) {
    return error;
  }
}
