// Rung 3: private instances of installed RabbitMQ and PostgreSQL, in one temporary folder.

import type { InstalledPrograms } from './installed-programs.ts';
import { Keeper } from './keeper-client.ts';
import { startPrivatePostgres } from './private-postgres.ts';
import { startPrivateRabbitmq } from './private-rabbitmq.ts';
import type { Log, ServerControl, Servers } from './servers.ts';

export interface PrivateServer {
  url: string;
  version: string;
  control: ServerControl;
  /** What is to be done before it can be stopped for good. */
  beforeEnd(): Promise<void>;
}

export async function startPrivateServers(programs: InstalledPrograms, log: Log): Promise<Servers> {
  log('starting private RabbitMQ and PostgreSQL (installed programs)');
  const keeper = await Keeper.open();
  // Both are waited for even if one fails, so that nothing is being started any more when the rest is ended.
  const [broker, database] = await Promise.allSettled([
    startPrivateRabbitmq(keeper, programs),
    startPrivatePostgres(keeper, programs),
  ]);
  if (broker.status === 'rejected' || database.status === 'rejected') {
    await keeper.end();
    throw broker.status === 'rejected' ? broker.reason : (database as PromiseRejectedResult).reason;
  }
  let stopped: Promise<void> | undefined;
  return {
    amqpUrl: broker.value.url,
    databaseUrl: database.value.url,
    source: 'installed',
    describe: `RabbitMQ ${broker.value.version}, PostgreSQL ${database.value.version} (installed programs, private instances)`,
    broker: broker.value.control,
    database: database.value.control,
    stop: () => (stopped ??= endAll(keeper, [broker.value, database.value])),
  };
}

async function endAll(keeper: Keeper, servers: PrivateServer[]): Promise<void> {
  await Promise.allSettled(servers.map((server) => server.beforeEnd()));
  await keeper.end();
}
