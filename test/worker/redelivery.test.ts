/**
 * Frames that come again: returned by hand, and because the network between RabbitMQ and the worker is cut in the middle
 * of everything. Goal: nothing is lost, nothing is applied twice or out of order, no letter is made twice.
 */
import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { eventually, within } from '../support/eventually.ts';
import { Letters } from '../support/letters.ts';
import { openScratch, PARTITIONS } from '../support/scratch.ts';
import { onChannel } from '../support/test-broker.ts';
import { idsOfPartition, lines, load, remove, save, TestPublisher } from '../support/test-publisher.ts';
import { startWorker } from '../support/test-worker.ts';

const scratch = await openScratch();
await scratch.declare();
const publisher = await TestPublisher.open(scratch);
const letters = await Letters.open(scratch);

/** Takes `count` messages of a partition and gives them back, as a worker does that dies before its ack. */
async function returnAll(partition: number, count: number): Promise<void> {
  const queue = `${scratch.names.commandsExchange}.${PARTITIONS}.${partition}`;
  await onChannel(scratch, async (channel) => {
    await channel.prefetch(count);
    let delivered = 0;
    await new Promise<void>((resolve) => {
      void channel.consume(queue, () => {
        delivered += 1;
        if (delivered === count) resolve();
      });
    });
  });
}

/** Which of the two successes it was does not matter. */
const success = (outcome?: string) => (outcome === 'superseded' ? 'applied' : outcome);

describe('a frame that was delivered before', () => {
  it('says so with a conflict, because it may have been applied and overtaken; a success says nothing', async () => {
    const [id = '', other = ''] = idsOfPartition(0, 2, 'again');
    const cas = publisher.request(save({ id, version: 2, ifVersion: 1 }) + save({ id: other, version: 1 }));
    await returnAll(0, 1);
    const fresh = publisher.request(save({ id, version: 3, ifVersion: 1 }));
    const { worker } = await startWorker(scratch);
    expect((await cas).lines).toEqual([
      { id, outcome: 'conflict', version: 0, epoch: 0, redelivered: true },
      { id: other, outcome: 'applied', version: 1, epoch: 0 },
    ]);
    expect((await fresh).lines).toEqual([{ id, outcome: 'conflict', version: 0, epoch: 0 }]);
    await worker.stop();
  });

  it('says so also where it is superseded, since it may have been applied before', async () => {
    const [id = ''] = idsOfPartition(2, 1, 'overtaken');
    const { worker } = await startWorker(scratch);
    await publisher.request(save({ id, version: 9 }));
    await worker.stop();
    const older = publisher.request(save({ id, version: 5 }));
    await returnAll(2, 1);
    const fresh = publisher.request(save({ id, version: 6 }));
    const next = await startWorker(scratch);
    expect((await older).lines).toEqual([
      { id, outcome: 'superseded', version: 9, epoch: 0, redelivered: true },
    ]);
    expect((await fresh).lines).toEqual([{ id, outcome: 'superseded', version: 9, epoch: 0 }]);
    await next.worker.stop();
  });

  it('whose effect is there already comes to the same outcomes', async () => {
    const [a = '', b = '', c = ''] = idsOfPartition(1, 3, 'twice');
    const frame =
      save({ id: a, version: 5 }, '{"n":5}') +
      save({ id: b, version: 1 }) +
      remove({ id: b, version: 2 }) +
      load({ id: c, claim: randomUUID() });
    const { worker } = await startWorker(scratch);
    const messageId = randomUUID();
    const first = await publisher.request(frame, { messageId });
    const second = await publisher.request(frame, { messageId });
    expect(second.lines.map(({ outcome }) => success(outcome))).toEqual(
      first.lines.map(({ outcome }) => success(outcome)),
    );
    expect(second.lines.at(-1)).toEqual(first.lines.at(-1));
    await worker.stop();
  });
});

describe('a worker whose connection to RabbitMQ is cut again and again', () => {
  it('applies everything once and in order, and answers or letters all of it', async () => {
    const proxy = await scratch.openProxy(scratch.amqpUrl);
    const running = await startWorker(scratch, {
      amqpUrl: proxy.url,
      prefetchFrames: 8,
      batchCommandsMax: 16,
      copyRowsMin: 16,
    });
    const versions = 150;
    const ids = [0, 1, 2, 3].flatMap((partition) => idsOfPartition(partition, 3, 'cut'));
    const poison = randomUUID();
    const sent: Promise<void>[] = [];
    for (let version = 1; version <= versions; version += 1) {
      for (const id of ids) {
        // Each builds on the one before it: out of order, or applied twice, is a conflict and so a letter.
        sent.push(publisher.send(save({ id, version, ifVersion: version - 1 }, `{"v":${version}}`)));
      }
      if (version === versions / 2) {
        sent.push(publisher.send(lines('{"delete":{}}'), { messageId: poison, partition: 0 }));
      }
    }
    let cuts = 0;
    const stored = async (): Promise<number> => {
      const { rows } = await scratch.sql.query<{ sum: string }>(
        `SELECT coalesce(sum(version), 0) AS sum FROM goverse_objects WHERE object_id = ANY($1)`,
        [ids],
      );
      return Number(rows[0]?.sum);
    };
    const steps = 6;
    for (let step = 1; step <= steps; step += 1) {
      const goal = Math.floor((ids.length * versions * step) / (steps + 1));
      await eventually(async () => (await stored()) >= goal);
      proxy.cut();
      cuts += 1;
    }
    await Promise.all(sent);
    await eventually(async () => (await stored()) === ids.length * versions);
    expect(cuts).toBe(steps);
    for (const id of ids) {
      const { lines: found } = await within(10_000, 'a load', publisher.request(load({ id })));
      expect(found).toMatchObject([{ outcome: 'found', version: versions }, { v: versions }]);
    }
    const made = await letters.of(poison);
    expect(new Set(made.map(({ headers }) => headers['holdfast-letter-id'])).size).toBe(1);
    // What was applied and overtaken before its ack is a conflict the second time; that is all that may be here.
    const conflicts = letters.all.filter(({ headers }) => headers['holdfast-code'] === 'CONFLICT');
    for (const { headers } of conflicts) expect(ids).toContain(headers['holdfast-object-id']);
    expect(running.fatal).toEqual([]);
    await eventually(() => running.ready);
    expect(await running.metric('holdfast_deliveries_total')).toBeGreaterThan(sent.length);
    await running.worker.stop();
  });
});
