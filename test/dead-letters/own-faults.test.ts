/** Faults of our own around the table of dead letters. Goal: they end the worker, instead of passing for an outage. */
import { expect, it } from 'vitest';
import { PostgresStore } from '../../src/store/postgres-store.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { LetterMover } from '../../src/worker/letter-mover.ts';
import { Retention } from '../../src/worker/retention.ts';
import { eventually } from '../support/eventually.ts';
import { openScratch } from '../support/scratch.ts';
import { brokerConnection, connected, empty, fill, RETRY, testQueue } from '../support/test-broker.ts';

const scratch = await openScratch();
const logger = createLogger({ level: 'silent' });
const fault = new TypeError('a fault of ours');

it('a fault while letters are put in is reported as such, and the letter stays in its queue', async () => {
  const queue = await testQueue(scratch);
  const bugs: unknown[] = [];
  const heldUp: unknown[] = [];
  const connection = await connected(brokerConnection(scratch));
  const mover = new LetterMover(connection, {
    ...RETRY,
    openSession: () => ({ insertLetters: () => Promise.reject(fault), close: () => Promise.resolve() }),
    names: { ...scratch.names, deadLetters: queue },
    metrics: createMetrics({ version: '1', processMetrics: false }),
    logger,
    consumerTimeoutMs: 60_000,
    signal: new AbortController().signal,
    onHeldUp: (error) => heldUp.push(error),
    onMoved: () => undefined,
    onBug: (error) => bugs.push(error),
  });
  mover.start();
  await fill(scratch, queue, ['letter']);
  await eventually(() => bugs.length > 0);
  await mover.end();
  await mover.close();
  expect(bugs).toEqual([fault]);
  expect(heldUp).toEqual([]);
  expect(await empty(scratch, queue)).toEqual(['letter']);
});

it('a fault while old rows are forgotten is not taken for a failure of the store', async () => {
  const store = new PostgresStore({ ...scratch.connectionOptions(), copyRowsMin: 1 });
  const session = store.openReadSession();
  scratch.onEnd(() => session.close());
  session.purge = () => Promise.reject(fault);
  store.openReadSession = () => session;
  const retention = new Retention({
    store,
    retentionMs: 1_000,
    logger,
    onBug: () => undefined,
  });
  await expect(retention.purge()).rejects.toBe(fault);
  await retention.stop();
});
