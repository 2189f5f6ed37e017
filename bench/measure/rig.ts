/** Everything a measurement needs: the servers, a scratch database and queues of our own, removed at the end. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { packageRoot } from '../../test/servers/package-root.ts';
import { runSql } from '../../test/servers/run-sql.ts';
import type { Servers } from '../../test/servers/servers.ts';
import { BenchBroker } from './bench-broker.ts';
import { BenchDatabase } from './bench-database.ts';
import type { ProcessSettings } from './child.ts';
import { cpuSecondsOfTree, pidOfListener } from './proc.ts';
import type { CpuSeconds } from './sample.ts';
import { environmentOf, type Installation } from './worker.ts';

const LOCAL_HOSTS = ['127.0.0.1', 'localhost', '[::1]'];

export class Rig {
  readonly installation: Installation;
  readonly database: BenchDatabase;
  readonly broker: BenchBroker;
  readonly processes: ProcessSettings;
  readonly #servers: Servers;

  private constructor(
    servers: Servers,
    installation: Installation,
    database: BenchDatabase,
    broker: BenchBroker,
    processes: ProcessSettings,
  ) {
    this.#servers = servers;
    this.installation = installation;
    this.database = database;
    this.broker = broker;
    this.processes = processes;
  }

  static async open(servers: Servers, processes: ProcessSettings): Promise<Rig> {
    const prefix = `holdfast-bench-${randomBytes(4).toString('hex')}`;
    const url = new URL(servers.databaseUrl);
    url.pathname = `/${prefix}`;
    const installation = { amqpUrl: servers.amqpUrl, databaseUrl: url.href, prefix };
    await runSql(servers.databaseUrl, `CREATE DATABASE "${prefix}" TEMPLATE template0 ENCODING 'UTF8'`);
    let broker: BenchBroker | undefined;
    try {
      await promisify(execFile)(process.execPath, [join(packageRoot(), 'dist/cli/main.js'), 'migrate'], {
        env: { ...process.env, ...environmentOf(installation) },
      });
      broker = await BenchBroker.open(servers.amqpUrl, prefix);
      const database = await BenchDatabase.open(installation.databaseUrl, processes.signal);
      return new Rig(servers, installation, database, broker, processes);
    } catch (error) {
      await broker?.remove();
      await dropDatabase(servers.databaseUrl, prefix);
      throw error;
    }
  }

  /** Of the servers, since they started. */
  serverCpu(): Pick<CpuSeconds, 'broker' | 'database'> {
    const { broker, database, amqpUrl, databaseUrl } = this.#servers;
    return {
      broker: cpuSecondsOfTree(broker?.pid() ?? localListener(amqpUrl)),
      database: cpuSecondsOfTree(database?.pid() ?? localListener(databaseUrl)),
    };
  }

  async remove(): Promise<void> {
    // Each is tried, whatever became of the others.
    const results = await Promise.allSettled([
      this.broker.remove(),
      this.database.close().then(() => dropDatabase(this.#servers.databaseUrl, this.installation.prefix)),
    ]);
    for (const result of results) {
      if (result.status === 'rejected') throw result.reason;
    }
  }
}

/** What was used between two readings, each left out if it is not known. */
export function cpuBetween(before: CpuSeconds, after: CpuSeconds): CpuSeconds {
  const used = (name: keyof CpuSeconds): number | undefined => {
    const [from, to] = [before[name], after[name]];
    return from === undefined || to === undefined ? undefined : to - from;
  };
  return {
    process: used('process'),
    worker: used('worker'),
    broker: used('broker'),
    database: used('database'),
  };
}

const pids = new Map<string, number | undefined>();

/** The process behind a URL that was given, if it runs here. */
function localListener(url: string): number | undefined {
  if (!pids.has(url)) {
    const { hostname, port } = new URL(url);
    pids.set(url, LOCAL_HOSTS.includes(hostname) ? pidOfListener(Number(port)) : undefined);
  }
  return pids.get(url);
}

async function dropDatabase(maintenanceUrl: string, name: string): Promise<void> {
  await runSql(maintenanceUrl, `DROP DATABASE IF EXISTS "${name}" WITH (FORCE)`);
}
