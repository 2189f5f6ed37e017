/**
 * Everything that `holdfast status` shows, asked of both servers at once. What cannot be reached is an error in its place;
 * the rest is there all the same.
 */

import type { PartitionQueues } from '../../broker/installed-queues.ts';
import type { QueueState } from '../../broker/topology.ts';
import type { Options } from '../../config/options.ts';
import { namesFor } from '../../contract/names.ts';
import type { ConnectedWorker } from '../../store/connected-workers.ts';
import type { SchemaState } from '../../store/schema-state.ts';
import type { TableCount } from '../../store/table-counts.ts';
import type { WaitingLetters } from '../../store/waiting-letters.ts';
import { withBroker, withDatabase } from '../servers.ts';
import type { WorkerPartitions } from './ask-workers.ts';

export interface BrokerStatus {
  readonly version: string;
  /** Those of the configured number of partitions, present or not. */
  readonly partitions: PartitionQueues;
  /** Queues of other numbers of partitions. */
  readonly others: readonly PartitionQueues[];
  readonly loads: QueueState | undefined;
  readonly deadLetters: QueueState | undefined;
  /** Those that answered. */
  readonly workers: readonly WorkerPartitions[];
}

export interface StoreStatus {
  readonly version: string;
  readonly schema: SchemaState;
  readonly tables: readonly TableCount[];
  /** `undefined` if there is no table of dead letters. */
  readonly letters: WaitingLetters | undefined;
  readonly workers: readonly ConnectedWorker[];
}

/** Either what was found or why nothing was. */
export type Part<T> =
  | { readonly ok: true; readonly value: T; readonly durationMs: number }
  | { readonly ok: false; readonly error: unknown };

export interface Status {
  readonly at: string;
  readonly broker: Part<BrokerStatus>;
  readonly store: Part<StoreStatus>;
}

/** Never throws. */
export async function readStatus(options: Options): Promise<Status> {
  const at = new Date().toISOString();
  const [broker, store] = await Promise.all([
    part(() => readBrokerStatus(options)),
    part(() => readStoreStatus(options)),
  ]);
  return { at, broker, store };
}

async function part<T>(read: () => Promise<T>): Promise<Part<T>> {
  const startedAt = performance.now();
  try {
    return { ok: true, value: await read(), durationMs: performance.now() - startedAt };
  } catch (error) {
    return { ok: false, error };
  }
}

async function readBrokerStatus(options: Options): Promise<BrokerStatus> {
  const { findPartitionQueues, readPartitionQueues } = await import('../../broker/installed-queues.ts');
  const { readQueue } = await import('../../broker/topology.ts');
  const { askWorkers } = await import('./ask-workers.ts');
  const names = namesFor(options.prefix);
  return await withBroker(options, 'status', async ({ connection, model }) => {
    const found = await findPartitionQueues(model, names);
    const own = found.find(({ partitionCount }) => partitionCount === options.partitions);
    const partitions = own ?? (await readPartitionQueues(model, names, options.partitions));
    const loads = await readQueue(model, names.loadsQueue);
    return {
      version: model.connection.serverProperties['version'] ?? 'of unknown version',
      partitions,
      others: found.filter((each) => each !== own),
      loads,
      deadLetters: await readQueue(model, names.deadLetters),
      workers: await askWorkers(connection, names.workersExchange, loads?.consumers ?? 0),
    };
  });
}

async function readStoreStatus(options: Options): Promise<StoreStatus> {
  const [{ readConnectedWorkers }, { readServerFacts }, { readSchemaState }, tableCounts, letters] =
    await Promise.all([
      import('../../store/connected-workers.ts'),
      import('../../store/server-facts.ts'),
      import('../../store/schema-state.ts'),
      import('../../store/table-counts.ts'),
      import('../../store/waiting-letters.ts'),
    ]);
  return await withDatabase(options, 'status', async (connection) => {
    const { version } = await readServerFacts(connection);
    const tables = await tableCounts.readTableCounts(connection, [
      ...tableCounts.OBJECT_TABLES,
      letters.LETTERS_TABLE,
    ]);
    const hasLetters = tables.some(({ table }) => table === letters.LETTERS_TABLE);
    return {
      version,
      schema: await readSchemaState(connection),
      tables: tables.filter(({ table }) => table !== letters.LETTERS_TABLE),
      letters: hasLetters ? await letters.readWaitingLetters(connection) : undefined,
      workers: await readConnectedWorkers(connection),
    };
  });
}
