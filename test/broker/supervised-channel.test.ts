/** A channel that the broker, the network or we close. Goal: it comes back, one generation after the other, until closed. */
import type { Channel } from 'amqplib';
import { describe, expect, it } from 'vitest';
import type { BrokerConnection } from '../../src/broker/broker-connection.ts';
import type { BrokerError } from '../../src/broker/broker-error.ts';
import { openChannel, SupervisedChannel } from '../../src/broker/supervised-channel.ts';
import { eventually, Gate, within } from '../support/eventually.ts';
import { openScratch } from '../support/scratch.ts';
import { brokerConnection, connected, proxied, RETRY, SOON_MS, testQueue } from '../support/test-broker.ts';

const scratch = await openScratch();

interface Life {
  readonly supervised: SupervisedChannel<Channel>;
  /** In order: setup, open, lost. */
  readonly events: string[];
  readonly losses: BrokerError[];
}

function supervise(
  connection: BrokerConnection,
  setup: (channel: Channel) => Promise<void> = async () => {},
): Life {
  const events: string[] = [];
  const losses: BrokerError[] = [];
  const supervised = new SupervisedChannel(connection, {
    create: openChannel,
    setup: async (channel) => {
      events.push('setup');
      await setup(channel);
    },
    onOpen: () => events.push('open'),
    onLost: (_channel, error) => {
      events.push('lost');
      losses.push(error);
    },
    ...RETRY,
  });
  scratch.onEnd(() => supervised.close());
  return { supervised, events, losses };
}

const opened = ({ supervised }: Life): Promise<Channel> => eventually(() => supervised.channel);

/** Waits for another channel than this one. */
const reopened = ({ supervised }: Life, old: Channel): Promise<Channel> =>
  eventually(() => supervised.channel !== old && supervised.channel);

describe('a supervised channel', () => {
  it('opens when its connection does, and says so', async () => {
    const connection = brokerConnection(scratch);
    const life = supervise(connection);
    life.supervised.start();
    expect(life.supervised.channel).toBeUndefined();
    connection.start();
    await opened(life);
    expect(life.events).toEqual(['setup', 'open']);
  });

  it.each([
    ['a queue that does not exist', 404, (channel: Channel) => channel.checkQueue('nothing-of-this-name')],
    [
      'an ack of what was never delivered',
      406,
      async (channel: Channel) =>
        channel.ack({ fields: { deliveryTag: 99 } } as Parameters<Channel['ack']>[0]),
    ],
  ])('comes back after the broker closed it over %s', async (_name, replyCode, offend) => {
    const life = supervise(await connected(brokerConnection(scratch)));
    life.supervised.start();
    const first = await opened(life);
    await offend(first).catch(() => undefined);
    const second = await reopened(life, first);
    await expect(second.assertQueue('', { exclusive: true })).resolves.toBeDefined();
    expect(life.events).toEqual(['setup', 'open', 'lost', 'setup', 'open']);
    expect(life.losses[0]).toMatchObject({ code: 'BROKER_TOPOLOGY', replyCode });
    expect(life.supervised.lastError).toBeUndefined();
  });

  it('comes back with its connection', async () => {
    const { proxy, connection } = await proxied(scratch);
    const life = supervise(await connected(connection));
    life.supervised.start();
    const first = await opened(life);
    proxy.cut();
    await reopened(life, first);
    expect(life.events).toEqual(['setup', 'open', 'lost', 'setup', 'open']);
  });

  it('is set up again and again until that succeeds, and tells why it is not open', async () => {
    const queue = `${scratch.names.prefix}.test.later`;
    const life = supervise(await connected(brokerConnection(scratch)), async (channel) => {
      await channel.checkQueue(queue);
    });
    life.supervised.start();
    await eventually(() => life.events.filter((event) => event === 'lost').length >= 3);
    expect(life.events).not.toContain('open');
    expect(life.supervised.lastError).toMatchObject({ code: 'BROKER_TOPOLOGY', replyCode: 404 });
    const channel = await scratch.broker.createChannel();
    await channel.assertQueue(queue, { exclusive: false, autoDelete: true });
    await opened(life);
    expect(life.events.at(-1)).toBe('open');
    await channel.deleteQueue(queue);
  });

  it('is another generation after it was reopened', async () => {
    const life = supervise(await connected(brokerConnection(scratch)));
    life.supervised.start();
    const first = await opened(life);
    await Promise.all([life.supervised.reopen(), life.supervised.reopen()]);
    const second = await reopened(life, first);
    expect(second).not.toBe(first);
    expect(life.events).toEqual(['setup', 'open', 'lost', 'setup', 'open']);
  });

  it('survives that its connection breaks while it is being set up', async () => {
    const { proxy, connection } = await proxied(scratch);
    const queue = await testQueue(scratch);
    let cuts = 0;
    const life = supervise(await connected(connection), async (channel) => {
      const checking = channel.checkQueue(queue);
      cuts += 1;
      if (cuts <= 3) proxy.cut();
      await checking;
    });
    life.supervised.start();
    await opened(life);
    expect(cuts).toBe(4);
  });
});

describe('closing a supervised channel', () => {
  it('is safe before the start, twice, and at once', async () => {
    const { supervised, events } = supervise(await connected(brokerConnection(scratch)));
    await within(SOON_MS, 'closing', Promise.all([supervised.close(), supervised.close()]));
    supervised.start();
    await within(SOON_MS, 'closing', supervised.close());
    expect(events).toEqual([]);
  });

  it('while open closes it for good, twice and at once', async () => {
    const life = supervise(await connected(brokerConnection(scratch)));
    life.supervised.start();
    const channel = await opened(life);
    await within(SOON_MS, 'closing', Promise.all([life.supervised.close(), life.supervised.close()]));
    await expect(channel.checkQueue('x')).rejects.toThrow(/closed/i);
    expect(life.supervised.channel).toBeUndefined();
    expect(life.events).toEqual(['setup', 'open', 'lost']);
  });

  it('ends the wait for a connection that never comes', async () => {
    const { proxy, connection } = await proxied(scratch);
    proxy.silence();
    connection.start();
    const { supervised, events } = supervise(connection);
    supervised.start();
    await within(SOON_MS, 'closing', supervised.close());
    expect(events).toEqual([]);
  });

  it('ends the wait between two attempts', async () => {
    const connection = await connected(brokerConnection(scratch));
    const events: string[] = [];
    const supervised = new SupervisedChannel(connection, {
      create: openChannel,
      setup: async () => {
        throw new Error('not today');
      },
      onLost: () => events.push('lost'),
      retryDelayMsMin: 60_000,
      retryDelayMsMax: 60_000,
    });
    supervised.start();
    await eventually(() => events.length > 0);
    await within(1_000, 'closing', supervised.close());
  });

  it('while it is being set up waits for that, and never opens', async () => {
    const gate = new Gate();
    const life = supervise(await connected(brokerConnection(scratch)), () => gate.opened);
    life.supervised.start();
    await eventually(() => life.events.includes('setup'));
    const closing = life.supervised.close();
    gate.open();
    await within(SOON_MS, 'closing', closing);
    expect(life.events).toEqual(['setup', 'lost']);
  });

  it('at the moment its connection is closed does not hang', async () => {
    const connection = await connected(brokerConnection(scratch));
    const life = supervise(connection);
    life.supervised.start();
    await opened(life);
    await within(SOON_MS, 'closing', Promise.all([life.supervised.close(), connection.close()]));
  });

  it('does not outlast its connection when the peer has vanished', async () => {
    const { proxy, connection } = await proxied(scratch, { heartbeatMs: 60_000 });
    const life = supervise(await connected(connection));
    life.supervised.start();
    await opened(life);
    proxy.silence();
    await within(5_000, 'closing', Promise.all([life.supervised.close(), connection.close()]));
  });
});
