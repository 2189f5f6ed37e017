/**
 * What long runs found, made into scripts: each was a promise broken by an unbroken worker under faults that happen.
 */
import { randomUUID } from 'node:crypto';
import { connect } from 'holdfast';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { HOOK_WORKER } from './harness/audit-trail.ts';
import { Scratch } from './harness/scratch.ts';
import { pause, ScriptedRun } from './mutants/scripted-run.ts';
import { loadCommand, saveCommand } from './nodes/raw-frame.ts';
import { VIOLATION_KINDS } from './oracle/violation.ts';
import { objectId } from './workload/objects.ts';

let scratch: Scratch;
let lastObject = 5_000;

beforeAll(async () => {
  scratch = await Scratch.create(inject('amqpUrl'), inject('databaseUrl'), 1);
});
afterAll(async () => {
  await scratch.remove();
});

async function scripted(script: (run: ScriptedRun) => Promise<number[]>): Promise<string[]> {
  const run = await ScriptedRun.start(scratch, undefined);
  try {
    const { counts, examples } = await run.judge(await script(run));
    const kinds = VIOLATION_KINDS.filter((kind) => counts[kind] > 0);
    return kinds.length === 0 ? [] : examples.map(({ kind, detail }) => `${kind}: ${detail}`);
  } finally {
    await run.close();
  }
}

function nextObject(): number {
  lastObject += 1;
  return lastObject;
}

const save = (object: number, version: number, poison?: 'refused') =>
  saveCommand({ object, version, epoch: 0, nonce: version * 10, ifVersion: undefined }, 300, poison);

it('goes on when one frame with poison is there twice, as after a lost confirm', async () => {
  const object = nextObject();
  const found = await scripted(async (run) => {
    const messageId = randomUUID();
    await run.publishAs(messageId, save(object, 1, 'refused'));
    await run.publishAs(messageId, save(object, 1, 'refused'));
    await run.worker();
    // Its partition must go on: this is behind both.
    await run.send(save(object, 2));
    return [object];
  });
  expect(found).toEqual([]);
});

it('keeps the order of a partition whose workers are killed one after the other', async () => {
  // What the first held returns to the queue; its successor takes as much of that and is killed as well. What that held
  // must not end up behind the rest, as it did while a new worker asked for fewer frames ahead than an old one.
  const object = nextObject();
  const found = await scripted(async (run) => {
    const first = await run.worker();
    const other = nextObject();
    for (let version = 1; version <= 120; version += 1) await run.publish(save(other, version));
    await run.send(loadCommand(other));
    // Subscribes anew, with what it has learned.
    first.amqp.cut();
    await pause(1_000);
    await run.send(loadCommand(other));
    const releases = [await run.hold(HOOK_WORKER + Number(first.name.slice(1)))];
    await run.publish(save(object, 1));
    await run.untilHeld(HOOK_WORKER + Number(first.name.slice(1)));
    for (let version = 200; version <= 225; version += 1) await run.publish(save(other, version));
    await run.publish(loadCommand(object));
    await pause(300);
    await first.kill();
    await pause(500);
    const secondHook = HOOK_WORKER + Number(first.name.slice(1)) + 1;
    releases.push(await run.hold(secondHook));
    const second = await run.worker();
    await run.untilHeld(secondHook);
    await second.kill();
    for (const release of releases) await release();
    await run.worker();
    return [object, other];
  });
  expect(found).toEqual([]);
});

it('answers a persisted call although the worker lost the connection on which it replies', async () => {
  const run = await ScriptedRun.start(scratch, undefined);
  const { prefix, amqpUrl } = scratch;
  const client = await connect({ url: amqpUrl, node: 'asker', prefix, partitions: 1 });
  try {
    const worker = await run.worker();
    const id = objectId(nextObject());
    await client.save({ id, type: 'T', document: { n: 1 } }, { until: 'persisted' });
    // It has two connections, one to consume and one to publish; who is lost comes back as the last.
    for (const choice of [0.75, 0.25]) {
      const document = { choice };
      const saved = client.save({ id, type: 'T', document }, { until: 'persisted', timeoutMs: 10_000 });
      const outcome = saved.then((result) => result.outcome);
      await Promise.all([worker.amqp.loseOne(choice, 1_000), pause(1_500)]);
      expect(await outcome).toBe('applied');
    }
  } finally {
    await client.close({ drainTimeoutMs: 0 });
    await run.close();
  }
});
