/**
 * Losses and refusals: the network is cut or falls silent, the broker refuses or returns frames, queues vanish. Whatever
 * happens, order per object holds and every call settles.
 */
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { declareTopology, deleteTopology } from '../../src/broker/topology.ts';
import { commandsQueue, namesFor, routingKey } from '../../src/contract/names.ts';
import { partitionOf } from '../../src/contract/partition.ts';
import { eventually, within } from '../support/eventually.ts';
import { later } from './calls.ts';
import { ForgingProxy } from './forging-proxy.ts';
import { openInstallation, PARTITIONS } from './installation.ts';

const installation = await openInstallation();
const { names } = installation;
const persisted = { until: 'persisted' } as const;

const object = (id: string, n = 0) => ({ id, type: 'T', document: { n } });

describe('after a loss of the connection', () => {
  test('what was not confirmed is sent again before anything newer, under the same message id', async () => {
    const worker = await installation.work();
    const { client, proxy } = await installation.connectThroughProxy();
    await client.save(object('a', 0));
    // What we send arrives, but we never hear of it.
    proxy.silence('down');
    const unconfirmed = client.save(object('a', 1));
    await eventually(() => worker.arrivals.length === 2);
    const newer = client.save(object('a', 2));
    proxy.heal();
    await within(5_000, 'the saves', Promise.all([unconfirmed, newer]));
    await eventually(() => worker.arrivals.length === 4);
    expect(worker.arrivals.map(({ document }) => document)).toStrictEqual(
      [0, 1, 1, 2].map((n) => `{"n":${n}}`),
    );
    const ids = worker.frames.map(({ delivery }) => delivery.messageId);
    expect(ids[1]).toBe(ids[2]);
    expect(new Set(ids).size).toBe(3);
    expect(client.stats()).toMatchObject({ resentFrames: 1, confirmedCommands: 3, bufferedItems: 0 });
  });

  test('what was confirmed but not answered is sent again to a new queue of replies', async () => {
    const worker = await installation.work();
    const { client, proxy } = await installation.connectThroughProxy();
    worker.hold();
    const id = 'shard#0/a';
    const calls = [
      client.save({ ...object(id), version: 7 }, persisted),
      client.load(id),
      client.claim('shard#0/b', { claimId: '00000000-0000-4000-8000-000000000001' }),
      client.load(id, { consistency: 'committed' }),
    ] as const;
    await eventually(() => client.stats().confirmedFrames === 2);
    proxy.cut();
    await once(client, 'connected');
    await eventually(() => worker.frames.length === 4);
    for (const queue of new Set(worker.frames.map((frame) => frame.queue))) {
      const [first, again] = worker.frames.filter((frame) => frame.queue === queue);
      expect(again?.delivery.messageId).toBe(first?.delivery.messageId);
      expect(again?.delivery.replyTo).not.toBe(first?.delivery.replyTo);
      expect(again?.delivery.body).toStrictEqual(first?.delivery.body);
    }
    worker.go();
    const [saved, loaded, claimed, committed] = await within(5_000, 'the answers', Promise.all(calls));
    expect(saved).toMatchObject({ outcome: 'applied', version: 7 });
    expect(loaded).toMatchObject({ found: true, version: 7 });
    // Decided twice, under one claim id.
    expect(claimed).toMatchObject({ found: false, epoch: 1 });
    expect(committed.id).toBe(id);
    expect(client.stats()).toMatchObject({ resentFrames: 2, awaitingItems: 0 });
  });

  test('of a frame with more in it only what is not answered is sent again, under a new message id', async () => {
    const worker = await installation.work();
    const { client, proxy } = await installation.connectThroughProxy();
    worker.hold();
    const answered = client.save(object('shard#0/b'), persisted);
    const plain = client.saveMany([object('shard#0/a'), object('shard#0/c')]);
    await plain;
    proxy.cut();
    await eventually(() => worker.frames.length === 2);
    expect(worker.frames.map(({ arrivals }) => arrivals.length)).toStrictEqual([3, 1]);
    expect(worker.frames[0]?.delivery.messageId).not.toBe(worker.frames[1]?.delivery.messageId);
    worker.go();
    await expect(answered).resolves.toMatchObject({ outcome: 'applied' });
  });

  test('a condition that conflicts with its own first delivery is unknown, not failed', async () => {
    const worker = await installation.work();
    const { client, proxy } = await installation.connectThroughProxy();
    worker.objects.put('a', { version: 5 });
    proxy.silence('down');
    const first = later(client.save({ ...object('a', 1), ifVersion: 5, version: 6 }, persisted));
    await eventually(() => worker.objects.get('a').version === 6);
    // Somebody overtakes what was applied and not heard of.
    worker.objects.put('a', { version: 9 });
    proxy.heal();
    await expect(first).rejects.toMatchObject({ name: 'ClientError', code: 'UNAVAILABLE', version: 6 });
    await expect(client.save({ ...object('a', 2), ifVersion: 6 }, persisted)).rejects.toMatchObject({
      name: 'OutcomeError',
      code: 'CONFLICT',
      storedVersion: 9,
    });
  });

  test('loads have no more time than they had, and saves without a limit wait', async () => {
    const worker = await installation.work();
    const { client, proxy } = await installation.connectThroughProxy();
    worker.hold();
    const load = later(client.load('a', { timeoutMs: 300 }));
    const committed = later(client.load('a', { consistency: 'committed', timeoutMs: 300 }));
    const saved = client.save(object('b'), persisted);
    await eventually(() => worker.frames.length >= 2);
    proxy.silence();
    for (const call of [load, committed]) await expect(call).rejects.toMatchObject({ code: 'TIMEOUT' });
    const arrived = worker.arrivals.length;
    proxy.heal();
    await eventually(() => worker.arrivals.length > arrived);
    worker.go();
    await expect(saved).resolves.toMatchObject({ outcome: 'applied' });
    const again = worker.arrivals.slice(arrived).map(({ command }) => command.action);
    expect(again.filter((action) => action === 'load')).toStrictEqual([]);
  });

  test('a peer that fell silent is given up after two heartbeats, and everything goes on', async () => {
    const { client, proxy } = await installation.connectThroughProxy({ heartbeatMs: 1_000 });
    const told = within(10_000, 'the disconnect', once(client, 'disconnected'));
    proxy.silence();
    const saved = client.save(object('a'));
    await told;
    expect(client.stats()).toMatchObject({ connected: false, bufferedItems: 1 });
    proxy.heal();
    await within(10_000, 'the save', saved);
    expect(client.stats()).toMatchObject({ connected: true, bufferedItems: 0 });
    expect(installation.log.map(({ message }) => message)).toStrictEqual(['lost the connection to RabbitMQ']);
  });

  test('a confirm that does not come in time counts as lost, and the frame is sent again', async () => {
    const { client, proxy } = await installation.connectThroughProxy({ confirmTimeoutMs: 100 });
    const told = within(10_000, 'the disconnect', once(client, 'disconnected'));
    proxy.silence('down');
    const saved = client.save(object('a'));
    const again = client.save(object('a'));
    await told;
    proxy.heal();
    await within(10_000, 'the saves', Promise.all([saved, again]));
    expect(client.stats()).toMatchObject({ confirmedCommands: 2, bufferedItems: 0, failures: {} });
    expect(client.stats().resentFrames).toBeLessThan(5);
  });

  test('a loss of only the queue of replies is survived as well', async () => {
    const worker = await installation.work();
    const proxy = await ForgingProxy.open(installation.amqpUrl);
    const client = await installation.connect({ url: proxy.url });
    worker.hold();
    const saved = client.save(object('a'), persisted);
    await eventually(() => client.stats().confirmedFrames === 1 && worker.frames.length === 1);
    const back = once(client, 'connected');
    proxy.cancelConsumer();
    await within(5_000, 'the new queue', back);
    await eventually(() => worker.frames.length === 2);
    const [first, again] = worker.frames;
    expect(again?.delivery.replyTo).not.toBe(first?.delivery.replyTo);
    worker.go();
    await expect(saved).resolves.toMatchObject({ outcome: 'applied' });
    await client.close();
    await proxy.close();
  });
});

test('what the broker does not take for a while is told, and waits', async () => {
  const proxy = await ForgingProxy.open(installation.amqpUrl);
  const client = await installation.connect({ url: proxy.url });
  const blocked = once(client, 'blocked');
  proxy.block('low on memory');
  await expect(within(5_000, 'the event', blocked)).resolves.toStrictEqual(['low on memory']);
  expect(client.stats()).toMatchObject({ connected: true, blocked: true });
  const unblocked = once(client, 'unblocked');
  proxy.unblock();
  await within(5_000, 'the event', unblocked);
  expect(client.stats()).toMatchObject({ blocked: false });
  await client.close();
  await proxy.close();
});

describe('a frame that the broker', () => {
  test('refuses is sent again with growing delays, before anything newer, until it is taken', async () => {
    const prefix = `${names.prefix}-full`;
    const channel = await installation.broker.createConfirmChannel();
    await channel.assertExchange(`${prefix}.commands`, 'direct', { autoDelete: true });
    await channel.assertQueue(`${prefix}.commands.1.0`, {
      exclusive: true,
      arguments: { 'x-queue-type': 'classic', 'x-max-length': 1, 'x-overflow': 'reject-publish' },
    });
    await channel.bindQueue(`${prefix}.commands.1.0`, `${prefix}.commands`, '1.0');
    const client = await installation.connect({ prefix, partitions: 1, frameCommandsMax: 2 });
    const saves = Array.from({ length: 6 }, (_, n) => client.save(object(`${n % 2}`, n)));
    await eventually(() => client.stats().refusedFrames >= 3);
    expect(client.stats()).toMatchObject({ connected: true });
    const documents: string[] = [];
    while (documents.length < 6) {
      const message = await eventually(() => channel.get(`${prefix}.commands.1.0`, { noAck: true }));
      documents.push(
        ...message.content
          .toString()
          .split('\n')
          .filter((line) => line.startsWith('{"n"')),
      );
    }
    await within(5_000, 'the saves', Promise.all(saves));
    expect(documents).toStrictEqual([0, 1, 2, 3, 4, 5].map((n) => `{"n":${n}}`));
    expect(client.stats().resentFrames).toBe(client.stats().refusedFrames);
    await channel.close();
  });

  test('returns fails, for another number of partitions, and is never taken for success', async () => {
    const client = await installation.connect({ partitions: 8 });
    await expect(client.save(object('a'))).rejects.toMatchObject({
      name: 'ClientError',
      code: 'UNROUTABLE',
      message: `no queue takes it (exchange ${names.commandsExchange}, routing key ${routingKey(8, partitionOf('a', 8))}): nothing is declared there, or the number of partitions differs`,
      retryable: false,
    });
    await expect(client.load('a')).rejects.toMatchObject({ code: 'UNROUTABLE' });
    await expect(client.load('a', { consistency: 'committed', timeoutMs: 50 })).rejects.toMatchObject({
      code: 'TIMEOUT',
    });
    expect(client.stats()).toMatchObject({ confirmedCommands: 1, bufferedItems: 0, awaitingItems: 0 });
  });

  test('cannot even take fails, where nothing is declared at all', async () => {
    const client = await installation.connect({ prefix: `${names.prefix}-nothing` });
    const calls = [
      client.save(object('a')),
      client.load('b', { consistency: 'committed' }),
      client.save(object('c'), persisted),
    ].map((call: Promise<unknown>) => later(call));
    for (const call of calls) {
      await expect(within(5_000, 'the failure', call)).rejects.toMatchObject({ code: 'UNROUTABLE' });
    }
    await expect(within(5_000, 'the failure', client.save(object('d')))).rejects.toMatchObject({
      code: 'UNROUTABLE',
    });
    expect(client.stats()).toMatchObject({ bufferedItems: 0, awaitingItems: 0 });
  });

  test('that was confirmed and asked again is unknown, not unroutable, when the exchange is gone', async () => {
    const own = namesFor(`${names.prefix}-gone`);
    await declareTopology(installation.broker, own, 1);
    const { client, proxy } = await installation.connectThroughProxy({ prefix: own.prefix, partitions: 1 });
    const calls = ['a', 'b', 'c'].map((id) => later(client.save(object(id), persisted)));
    await eventually(() => client.stats().confirmedCommands === 3);
    const channel = await installation.broker.createChannel();
    await channel.deleteExchange(own.commandsExchange);
    await channel.close();
    proxy.cut();
    for (const call of calls) {
      await expect(within(5_000, 'the failure', call)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    }
    await deleteTopology(installation.broker, own, [1]);
  });

  test('does not let this user publish fails, and is not sent for ever', async () => {
    const prefix = `${names.prefix}-internal`;
    const channel = await installation.broker.createChannel();
    // To publish to an internal exchange is refused as it is without the right.
    await channel.assertExchange(`${prefix}.commands`, 'direct', { internal: true });
    const client = await installation.connect({ prefix });
    const calls = [client.save(object('a')), client.load('b')].map((call: Promise<unknown>) => later(call));
    for (const call of calls) {
      await expect(within(5_000, 'the failure', call)).rejects.toMatchObject({
        name: 'BrokerError',
        code: 'BROKER_REFUSED',
      });
    }
    expect(client.stats()).toMatchObject({ bufferedItems: 0, awaitingItems: 0, resentFrames: 0 });
    await channel.deleteExchange(`${prefix}.commands`);
    await channel.close();
  });

  test('returned once is taken when its queue is there', async () => {
    const client = await installation.connect();
    const queue = commandsQueue(names, PARTITIONS, partitionOf('a', PARTITIONS));
    const channel = await installation.broker.createChannel();
    const key = routingKey(PARTITIONS, partitionOf('a', PARTITIONS));
    await channel.unbindQueue(queue, names.commandsExchange, key);
    await expect(client.save(object('a'))).rejects.toMatchObject({ code: 'UNROUTABLE' });
    await channel.bindQueue(queue, names.commandsExchange, key);
    await expect(client.save(object('a'))).resolves.toMatchObject({ outcome: 'confirmed' });
    await channel.close();
  });
});

describe('closing', () => {
  test('finishes what was begun, and takes nothing new', async () => {
    const worker = await installation.work();
    const client = await installation.connect();
    const calls = [client.save(object('a')), client.save(object('b'), persisted), client.load('a')];
    const closed = client.close();
    await expect(client.save(object('c'))).rejects.toMatchObject({ code: 'CLOSED', retryable: false });
    await expect(client.load('c')).rejects.toMatchObject({ code: 'CLOSED' });
    expect(client.close()).toBe(closed);
    await within(5_000, 'the close', closed);
    await expect(Promise.all(calls)).resolves.toMatchObject([
      { outcome: 'confirmed' },
      { outcome: 'applied' },
      { found: true },
    ]);
    await expect(client.list('T')).rejects.toMatchObject({ code: 'CLOSED' });
    await client.flush();
    expect(worker.arrivals).toHaveLength(3);
  });

  test('tells what was never sent from what may have arrived, when its time is over', async () => {
    const { client, proxy } = await installation.connectThroughProxy({
      framesInFlightMax: 1,
      bufferItemsMax: 2,
    });
    proxy.silence();
    const sent = later(client.save({ ...object('same'), version: 8 }));
    await eventually(() => client.stats().framesInFlight === 1);
    const queued = later(client.save(object('same')));
    const waiting = later(client.save(object('other')));
    const waitingAnswered = later(client.load('another'));
    await within(5_000, 'the close', client.close({ drainTimeoutMs: 50 }));
    await expect(sent).rejects.toMatchObject({ code: 'UNAVAILABLE', version: 8, id: 'same' });
    for (const call of [queued, waiting, waitingAnswered]) {
      await expect(call).rejects.toMatchObject({ name: 'ClientError', code: 'CLOSED' });
    }
    expect(client.stats()).toMatchObject({ connected: false, waitingItems: 0, failures: { CLOSED: 3 } });
  });

  test('leaves what was confirmed and not answered as unknown', async () => {
    const worker = await installation.work();
    worker.hold();
    const client = await installation.connect();
    const call = later(client.save(object('a'), persisted));
    await eventually(() => client.stats().confirmedCommands === 1);
    await client.close({ drainTimeoutMs: 20 });
    await expect(call).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  test('tells of failures that are on their way', async () => {
    const worker = await installation.work();
    const { client, proxy } = await installation.connectThroughProxy();
    const failures: unknown[] = [];
    client.on('failure', ({ id, code }) => failures.push([id, code]));
    worker.hold();
    worker.objects.put('a', { epoch: 3 });
    await client.save(object('a'));
    await eventually(() => worker.frames.length === 1);
    let open: (() => void) | undefined;
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const passed = { up: 0, down: 0 };
    proxy.watch = (direction) => {
      passed[direction] += 1;
      return direction === 'down' ? gate : undefined;
    };
    worker.go();
    await eventually(() => passed.down > 0);
    passed.up = 0;
    const closed = client.close();
    await eventually(() => passed.up > 0);
    open?.();
    await within(5_000, 'the close', closed);
    expect(failures).toStrictEqual([['a', 'FENCED']]);
  });

  test('waits as long as it takes if so told, and refuses what is no time', async () => {
    const worker = await installation.work();
    worker.hold();
    const client = await installation.connect();
    const call = client.save(object('a'), persisted);
    for (const drainTimeoutMs of [-1, 1.5, 2 ** 31, Number.NaN]) {
      await expect(client.close({ drainTimeoutMs })).rejects.toMatchObject({ code: 'INVALID_COMMAND' });
    }
    await client.save(object('b'));
    const closed = client.close({ drainTimeoutMs: Infinity });
    await eventually(() => worker.frames.length === 2);
    worker.go();
    await within(5_000, 'the close', closed);
    await expect(call).resolves.toMatchObject({ outcome: 'applied' });
  });

  test('while there is no connection ends in time too', async () => {
    const { client, proxy } = await installation.connectThroughProxy();
    proxy.silence();
    proxy.cut();
    await once(client, 'disconnected');
    const call = later(client.save(object('a')));
    await within(5_000, 'the close', client.close({ drainTimeoutMs: 20 }));
    await expect(call).rejects.toMatchObject({ code: 'CLOSED' });
  });
});
