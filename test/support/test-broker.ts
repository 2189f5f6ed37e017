/** Connections to RabbitMQ as the worker makes them, directly or through a network that can be broken. */
import { randomBytes } from 'node:crypto';
import type { Channel, Options } from 'amqplib';
import { BrokerConnection, type BrokerConnectionOptions } from '../../src/broker/broker-connection.ts';
import type { Scratch } from './scratch.ts';
import type { TcpProxy } from './tcp-proxy.ts';

/** Retries that take no time. */
export const RETRY = { retryDelayMsMin: 5, retryDelayMsMax: 20 };

/** Long enough for everything that should take milliseconds. */
export const SOON_MS = 5_000;

export function brokerConnection(
  scratch: Scratch,
  overrides: Partial<BrokerConnectionOptions> = {},
): BrokerConnection {
  const connection = new BrokerConnection({
    amqpUrl: scratch.amqpUrl,
    connectionName: 'holdfast tested',
    heartbeatMs: 10_000,
    connectTimeoutMs: 5_000,
    ...RETRY,
    ...overrides,
  });
  scratch.onEnd(() => connection.close());
  return connection;
}

export async function connected(connection: BrokerConnection): Promise<BrokerConnection> {
  await connection.startOnce();
  return connection;
}

/** A connection, and the network it goes through. */
export async function proxied(
  scratch: Scratch,
  overrides: Partial<BrokerConnectionOptions> = {},
): Promise<{ proxy: TcpProxy; connection: BrokerConnection }> {
  const proxy = await scratch.openProxy(scratch.amqpUrl);
  const connection = brokerConnection(scratch, { amqpUrl: proxy.url, ...overrides });
  return { proxy, connection };
}

/** A queue of the test's own, gone at the end of the file. */
export async function testQueue(scratch: Scratch, options: Options.AssertQueue = {}): Promise<string> {
  const queue = `${scratch.names.prefix}.test.${randomBytes(4).toString('hex')}`;
  const channel = await scratch.broker.createChannel();
  await channel.assertQueue(queue, { durable: true, arguments: { 'x-queue-type': 'classic' }, ...options });
  await channel.close();
  scratch.onEnd(() => onChannel(scratch, (cleaning) => cleaning.deleteQueue(queue)));
  return queue;
}

/** Runs something on a channel of its own, whose failure harms nobody else. */
export async function onChannel<T>(scratch: Scratch, run: (channel: Channel) => Promise<T>): Promise<T> {
  const channel = await scratch.broker.createChannel();
  channel.on('error', () => undefined);
  try {
    return await run(channel);
  } finally {
    await channel.close().catch(() => undefined);
  }
}

/** Publishes texts straight into a queue, in order, and waits until they are there. */
export async function fill(scratch: Scratch, queue: string, texts: readonly string[]): Promise<void> {
  const channel = await scratch.broker.createConfirmChannel();
  for (const text of texts) channel.sendToQueue(queue, Buffer.from(text), { persistent: true });
  await channel.waitForConfirms();
  await channel.close();
}

/** Takes everything that is ready in a queue out of it. */
export async function empty(scratch: Scratch, queue: string): Promise<string[]> {
  return await onChannel(scratch, async (channel) => {
    const texts: string[] = [];
    for (;;) {
      const message = await channel.get(queue, { noAck: true });
      if (message === false) return texts;
      texts.push(message.content.toString());
    }
  });
}
