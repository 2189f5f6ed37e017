/** One connection against the real broker and a network that breaks. Goal: it comes back, and it never hangs on close. */
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { BrokerError } from '../../src/broker/broker-error.ts';
import { eventually, within } from '../support/eventually.ts';
import { openScratch } from '../support/scratch.ts';
import { brokerConnection, connected, proxied, SOON_MS } from '../support/test-broker.ts';
import { startClosingServer } from './closing-server.ts';

const scratch = await openScratch();

async function brokerErrorOf(action: Promise<unknown>): Promise<BrokerError> {
  const error: unknown = await action.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(BrokerError);
  return error as BrokerError;
}

const amqpUrl = (change: (url: URL) => void): string => {
  const url = new URL(scratch.amqpUrl);
  change(url);
  return url.href;
};

it('a connection that is closed with the bytes that open it is lost, and comes back', async () => {
  const server = await startClosingServer();
  const connection = brokerConnection(scratch, { amqpUrl: server.url });
  const lost: string[] = [];
  connection.on('disconnected', ({ message }) => lost.push(message));
  connection.start();
  await eventually(() => server.closed() > 1);
  expect(lost[0]).toMatch(/as soon as it was open/);
  expect(connection.model).toBeUndefined();
  await within(SOON_MS, 'closing', connection.close());
  server.close();
});

describe('connecting once', () => {
  it('resolves with a connection that can be used', async () => {
    const connection = await connected(brokerConnection(scratch));
    const channel = await connection.model?.createChannel();
    expect((await channel?.assertQueue('', { exclusive: true }))?.queue).toMatch(/^amq\.gen/);
  });

  it('says that nothing is there, and does not go on trying', async () => {
    const connection = brokerConnection(scratch, { amqpUrl: amqpUrl((url) => (url.port = '1')) });
    expect(await brokerErrorOf(connection.startOnce())).toMatchObject({
      code: 'BROKER_UNAVAILABLE',
      scope: 'dependency',
      retryable: true,
    });
    await within(SOON_MS, 'closing', connection.close());
  });

  it('says that the user is refused', async () => {
    const connection = brokerConnection(scratch, { amqpUrl: amqpUrl((url) => (url.password = 'wrong')) });
    const error = await brokerErrorOf(connection.startOnce());
    expect(error.message).toMatch(/ACCESS.REFUSED/);
    expect(error).toMatchObject({ code: 'BROKER_REFUSED', replyCode: 403 });
  });

  it('gives up after the timeout on a peer that says nothing', async () => {
    const { proxy, connection } = await proxied(scratch, { connectTimeoutMs: 100 });
    proxy.silence();
    const error = await within(SOON_MS, 'giving up', brokerErrorOf(connection.startOnce()));
    expect(error.code).toBe('BROKER_UNAVAILABLE');
  });
});

describe('a connection', () => {
  it('comes back each time it is cut, and says so', async () => {
    const { proxy, connection } = await proxied(scratch);
    connection.start();
    await once(connection, 'connected');
    for (let time = 0; time < 3; time += 1) {
      const events: string[] = [];
      connection.once('disconnected', () => events.push('disconnected'));
      const again = once(connection, 'connected').then(() => events.push('connected'));
      proxy.cut();
      await within(SOON_MS, 'coming back', again);
      expect(events).toEqual(['disconnected', 'connected']);
      expect(connection.model).toBeDefined();
      expect(connection.lastError).toBeUndefined();
    }
  });

  it('knows while it is away why', async () => {
    const { proxy, connection } = await proxied(scratch, { connectTimeoutMs: 50 });
    connection.start();
    await once(connection, 'connected');
    proxy.silence();
    proxy.cut();
    await once(connection, 'disconnected');
    expect(connection.model).toBeUndefined();
    expect(connection.lastError).toBeInstanceOf(BrokerError);
    proxy.heal();
    await within(SOON_MS, 'coming back', once(connection, 'connected'));
  });

  it('notices within a few heartbeats that its peer has vanished', async () => {
    const { proxy, connection } = await proxied(scratch, { heartbeatMs: 1_000 });
    await connected(connection);
    proxy.silence();
    await within(5_000, 'noticing', once(connection, 'disconnected'));
    proxy.heal();
    await within(SOON_MS, 'coming back', once(connection, 'connected'));
  });
});

describe('closing', () => {
  it('before the start, twice and at once does nothing', async () => {
    const connection = brokerConnection(scratch);
    await within(SOON_MS, 'closing', Promise.all([connection.close(), connection.close()]));
    connection.start();
    expect(connection.closed).toBe(true);
    expect(connection.model).toBeUndefined();
  });

  it('while connected ends the connection, twice and at once', async () => {
    const connection = await connected(brokerConnection(scratch));
    const { model } = connection;
    await within(SOON_MS, 'closing', Promise.all([connection.close(), connection.close()]));
    await expect(model?.createChannel()).rejects.toThrow(/closed/i);
    expect(connection.model).toBeUndefined();
  });

  it('while it is connecting to a silent peer does not wait for it', async () => {
    const { proxy, connection } = await proxied(scratch, { connectTimeoutMs: 60_000 });
    proxy.silence();
    connection.start();
    await eventually(() => proxy.accepted > 0);
    await within(1_000, 'closing', connection.close());
  });

  it('between two attempts does not wait for the next', async () => {
    const connection = brokerConnection(scratch, {
      amqpUrl: amqpUrl((url) => (url.port = '1')),
      retryDelayMsMin: 60_000,
      retryDelayMsMax: 60_000,
    });
    connection.start();
    await once(connection, 'disconnected');
    await within(1_000, 'closing', connection.close());
  });

  it('ends a connection whose peer has vanished, in seconds', async () => {
    const { proxy, connection } = await proxied(scratch, { heartbeatMs: 60_000 });
    await connected(connection);
    proxy.silence();
    await within(4_000, 'closing', connection.close());
    expect(connection.model).toBeUndefined();
  });

  it('at the moment it is cut does not hang', async () => {
    const { proxy, connection } = await proxied(scratch);
    await connected(connection);
    proxy.cut();
    await within(SOON_MS, 'closing', connection.close());
  });
});
