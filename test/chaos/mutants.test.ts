/**
 * The oracle itself is tested: workers that break one promise each go through a script made for it, and the oracle must
 * report what was broken. The same script with an unbroken worker must leave it nothing to report.
 *
 * Nothing is left to chance: transactions are held at hooks in the database, and what is to happen meanwhile happens.
 */
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { HOOK_BEFORE_COMMIT, HOOK_WORKER } from './harness/audit-trail.ts';
import { Scratch } from './harness/scratch.ts';
import type { MutationName } from './mutants/mutations.ts';
import { pause, ScriptedRun } from './mutants/scripted-run.ts';
import { claimCommand, deleteCommand, saveCommand } from './nodes/raw-frame.ts';
import { VIOLATION_KINDS, type ViolationKind } from './oracle/violation.ts';

type Script = (run: ScriptedRun, object: number) => Promise<void>;

let scratch: Scratch;
/** Every script has an object of its own. */
let lastObject = 1_000;

beforeAll(async () => {
  scratch = await Scratch.create(inject('amqpUrl'), inject('databaseUrl'), 1);
});
afterAll(async () => {
  await scratch.remove();
});

const save = (object: number, version: number, { epoch = 0, nonce = version * 10 } = {}) =>
  saveCommand({ object, version, epoch, nonce, ifVersion: undefined }, 300, undefined);
const refusedSave = (object: number, version: number) =>
  saveCommand({ object, version, epoch: 0, nonce: version * 10, ifVersion: undefined }, 300, 'refused');
const remove = (object: number, version: number, epoch = 0) =>
  deleteCommand({ object, version, epoch, nonce: 0, ifVersion: undefined });

/** What the oracle finds after the script, each kind once. */
async function violations(script: Script, mutant: MutationName | undefined): Promise<ViolationKind[]> {
  lastObject += 1;
  const object = lastObject;
  const run = await ScriptedRun.start(scratch, mutant);
  try {
    await script(run, object);
    const { counts } = await run.judge([object]);
    return VIOLATION_KINDS.filter((kind) => counts[kind] > 0);
  } finally {
    await run.close();
  }
}

const saveOlder: Script = async (run, object) => {
  await run.worker();
  await run.send(save(object, 2));
  await run.send(save(object, 1));
};
const saveOlderThanDelete: Script = async (run, object) => {
  await run.worker();
  await run.send(save(object, 2));
  await run.send(remove(object, 3));
  await run.send(save(object, 1));
};

const CASES: readonly { mutant: MutationName; expected: ViolationKind; script: Script }[] = [
  {
    mutant: 'guard removed',
    expected: 'stale',
    script: saveOlder,
  },
  {
    mutant: 'guard of presumed saves removed',
    expected: 'stale',
    script: saveOlder,
  },
  {
    mutant: 'presumed saves pass tombstones',
    expected: 'resurrected',
    script: saveOlderThanDelete,
  },
  {
    mutant: 'claims ignored',
    expected: 'fencing',
    script: async (run, object) => {
      await run.worker();
      await run.send(save(object, 1));
      await run.send(claimCommand(object, object, 0));
      await run.send(save(object, 2));
    },
  },
  {
    mutant: 'claim not idempotent',
    expected: 'fencing',
    script: async (run, object) => {
      await run.worker();
      await run.send(claimCommand(object, object, 0));
      await run.send(claimCommand(object, object, 0));
    },
  },
  {
    mutant: 'tombstones dropped',
    expected: 'resurrected',
    script: saveOlderThanDelete,
  },
  {
    mutant: 'fold drops the older when the newer is unstorable',
    expected: 'lost',
    script: async (run, object) => {
      await run.worker();
      await run.send(save(object, 1), refusedSave(object, 2));
    },
  },
  {
    mutant: 'fold drops the older when the newer is fenced',
    expected: 'lost',
    script: async (run, object) => {
      await run.worker();
      await run.send(claimCommand(object, object, 0));
      await run.send(save(object, 1, { epoch: 1 }), save(object, 2));
    },
  },
  {
    mutant: 'ack before commit',
    expected: 'lost',
    script: async (run, object) => {
      const worker = await run.worker();
      const release = await run.hold(HOOK_BEFORE_COMMIT);
      // Two of one object: a save alone is committed by the statement that writes it, though its worker be dead by then.
      await run.publish(save(object, 1), save(object, 2));
      await run.untilHeld(HOOK_BEFORE_COMMIT);
      // Whatever it acks, it has acked by now.
      await pause(100);
      await worker.kill();
      await release();
      await run.worker();
    },
  },
  {
    mutant: 'original acked before its letter is confirmed',
    expected: 'lost',
    script: async (run, object) => {
      const { prefix, lettersQueue } = run.scratch;
      await run.scratch.withBroker(async (model) => {
        const channel = await model.createChannel();
        const queues = [`${prefix}.dead-letters`, lettersQueue];
        // Letters come back unroutable for a while.
        for (const queue of queues) await channel.unbindQueue(queue, `${prefix}.dead-letters`, '');
        await run.worker();
        await run.publish(refusedSave(object, 1));
        await pause(1_000);
        for (const queue of queues) await channel.bindQueue(queue, `${prefix}.dead-letters`, '');
      });
    },
  },
  {
    // The worker that lost the partition has stored version 1 and not committed it; its successor folds the same save
    // and a delete into a tombstone, since it cannot see the row yet; then the first commits.
    mutant: 'slot lock removed',
    expected: 'ghost',
    script: async (run, object) => {
      const first = await run.worker();
      const hook = HOOK_WORKER + Number(first.name.slice(1));
      const release = await run.hold(hook);
      await run.publish(save(object, 1));
      await run.untilHeld(hook);
      const successor = await run.worker();
      const { answered } = await run.publish(remove(object, 2));
      // The first vanishes from RabbitMQ, not from the database. Both frames wait in the socket of its successor until
      // that reads them, so they come into one batch; else its insert would wait for that of the first.
      successor.freeze();
      first.amqp.disturb({ frozen: true });
      first.amqp.cut();
      await pause(700);
      successor.thaw();
      await Promise.race([answered, pause(1_500)]);
      await release();
      await pause(300);
      first.amqp.heal();
    },
  },
];

describe.each(CASES)('$mutant', ({ mutant, expected, script }) => {
  it(`is reported as ${expected}`, async () => {
    expect(await violations(script, mutant)).toContain(expected);
  });

  it('is not reported of an unbroken worker that goes through the same', async () => {
    expect(await violations(script, undefined)).toEqual([]);
  });
});
