/** What must be there before a worker consumes: the schema and the queues. Waits for servers that are not up yet. */
import { backoffMs, pause } from '../broker/backoff.ts';
import type { BrokerConnection } from '../broker/broker-connection.ts';
import { toBrokerError } from '../broker/broker-error.ts';
import { declareTopology } from '../broker/topology.ts';
import type { Options } from '../config/options.ts';
import { type ErrorCode, HoldfastError } from '../contract/errors.ts';
import type { Names } from '../contract/names.ts';
import type { ConnectionOptions } from '../store/connection.ts';
import { migrate } from '../store/migrate.ts';
import type { Store } from '../store/store.ts';
import { toStoreError } from '../store/store-error.ts';
import type { Logger } from '../telemetry/logger.ts';
import { StoppedError } from './write-retry.ts';

export interface PrepareContext {
  readonly options: Options;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/**
 * Migrates, or checks that somebody did.
 *
 * @throws HoldfastError if the database will not let us whatever we wait: wrong password, no such database, no right.
 */
export async function prepareSchema(
  { logger, ...context }: PrepareContext,
  store: Store,
  connectionOptions: ConnectionOptions,
  migrateSchema: boolean,
): Promise<void> {
  await untilDone({ logger, ...context }, 'store', async () => {
    if (migrateSchema) {
      await migrate(connectionOptions, ({ name }) => logger.info({ migration: name }, 'migration run'));
      return;
    }
    const session = store.openReadSession();
    try {
      await session.probe();
    } finally {
      await session.close();
    }
  });
}

/** Declares exchanges and queues. @throws HoldfastError `BROKER_TOPOLOGY` if they exist with other arguments. */
export async function prepareTopology(
  context: PrepareContext,
  connection: BrokerConnection,
  names: Names,
): Promise<void> {
  await untilDone(context, 'broker', async () => {
    const { model } = connection;
    if (model === undefined) throw connection.lastError ?? toBrokerError(new Error('not connected yet'));
    await declareTopology(model, names, context.options.partitions);
  });
}

/** Wrong passwords, missing rights, no such database. */
const USELESS_TO_WAIT_FOR: ReadonlySet<ErrorCode> = new Set(['STORE_MISCONFIGURED', 'BROKER_REFUSED']);

/** How long a wait lasts before it is worth a line in the log. */
const QUIET_ATTEMPTS = 3;

async function untilDone(
  { options, logger, signal }: PrepareContext,
  stage: 'store' | 'broker',
  attempt: () => Promise<void>,
): Promise<void> {
  const toError = stage === 'store' ? toStoreError : toBrokerError;
  for (let retry = 0; ; retry += 1) {
    if (signal.aborted) throw new StoppedError('the worker was stopped before it was ready');
    try {
      await attempt();
      return;
    } catch (error) {
      const known = error instanceof HoldfastError ? error : toError(error);
      if (USELESS_TO_WAIT_FOR.has(known.code) || known.scope === 'process') throw known;
      if (retry >= QUIET_ATTEMPTS)
        logger.warn({ err: known, stage, attempt: retry + 1 }, 'waiting for a server');
      await pause(backoffMs(retry, options.retryDelayMsMin, options.retryDelayMsMax), signal);
    }
  }
}
