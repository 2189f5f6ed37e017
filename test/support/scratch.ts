/**
 * What a test file needs of the servers, for itself alone: a database, a prefix of queue names, and connections. One
 * call at the top of the file; all of it is removed at the end. The database stays, and its name is printed, if a test
 * of the file failed.
 */
import { randomBytes } from 'node:crypto';
import { type ChannelModel, connect } from 'amqplib';
import { Client } from 'pg';
import { afterAll, afterEach, inject, onTestFinished } from 'vitest';
import { declareTopology, deleteTopology } from '../../src/broker/topology.ts';
import { type Options, Options as OptionsSchema } from '../../src/config/options.ts';
import { type Names, namesFor } from '../../src/contract/names.ts';
import type { ConnectionOptions } from '../../src/store/connection.ts';
import { migrate } from '../../src/store/migrate.ts';
import { TcpProxy } from './tcp-proxy.ts';

/** Whatever the server's own default is: a worker accepts no other encoding. */
const UTF8 = "TEMPLATE template0 ENCODING 'UTF8'";

/** Fewer than in life: queues are what takes time to declare. */
export const PARTITIONS = 4;

export class Scratch {
  readonly id: string;
  readonly names: Names;
  readonly amqpUrl: string;
  readonly databaseUrl: string;
  /** On the scratch database, as its owner; for preparing and looking, never part of what is tested. */
  readonly sql: Client;
  /** For publishing, looking and cleaning. */
  readonly broker: ChannelModel;
  readonly #maintenance: Client;
  readonly #databases: string[] = [];
  #schemas = 0;
  readonly #cleanups: (() => unknown)[] = [];

  private constructor(id: string, maintenance: Client, broker: ChannelModel) {
    this.id = id;
    this.names = namesFor(id);
    this.amqpUrl = inject('amqpUrl');
    this.databaseUrl = databaseUrlOf(id);
    this.sql = new Client({ connectionString: this.databaseUrl });
    this.broker = broker;
    this.#maintenance = maintenance;
  }

  static async open(): Promise<Scratch> {
    const maintenance = new Client({ connectionString: inject('databaseUrl') });
    const [broker] = await Promise.all([connect(inject('amqpUrl')), maintenance.connect()]);
    const scratch = new Scratch(`holdfast-test-${randomBytes(5).toString('hex')}`, maintenance, broker);
    await scratch.createDatabase('');
    await scratch.sql.connect();
    return scratch;
  }

  /** Another database of this file; `suffix` tells it from the others. Returns its URL. */
  async createDatabase(suffix: string, clause = UTF8): Promise<string> {
    const name = `${this.id}${suffix}`;
    await this.#maintenance.query(`CREATE DATABASE "${name}" ${clause}`);
    this.#databases.push(name);
    // Nothing here survives its server, and the disk is what most of the time would go to.
    await this.#maintenance.query(`ALTER DATABASE "${name}" SET synchronous_commit = off`);
    return databaseUrlOf(name);
  }

  /** An empty schema of the scratch database. Returns the URL of connections that see only that. */
  async createSchema(): Promise<string> {
    this.#schemas += 1;
    const name = `schema_${this.#schemas}`;
    await this.sql.query(`CREATE SCHEMA ${name}`);
    const url = new URL(this.databaseUrl);
    url.searchParams.set('options', `-c search_path=${name}`);
    return url.href;
  }

  /** A further connection, ended with the test or the file. */
  async connect(databaseUrl = this.databaseUrl): Promise<Client> {
    const client = new Client({ connectionString: databaseUrl });
    // Tests end sessions on purpose.
    client.on('error', () => undefined);
    await client.connect();
    this.onEnd(() => client.end());
    return client;
  }

  /** For the store without a worker. */
  connectionOptions(overrides: Partial<ConnectionOptions> = {}): ConnectionOptions {
    return {
      databaseUrl: this.databaseUrl,
      applicationName: 'holdfast tested',
      connectTimeoutMs: 5_000,
      lockTimeoutMs: 5_000,
      statementTimeoutMs: 20_000,
      idleInTransactionTimeoutMs: 10_000,
      tcpUserTimeoutMs: 10_000,
      ...overrides,
    };
  }

  /** For a worker or a client: everything of this file, and retries that take no time. */
  options(overrides: Partial<Options> = {}): Options {
    return OptionsSchema.parse({
      amqpUrl: this.amqpUrl,
      databaseUrl: this.databaseUrl,
      prefix: this.names.prefix,
      partitions: PARTITIONS,
      httpAddress: 'off',
      retryDelayMsMin: 5,
      retryDelayMsMax: 50,
      ...overrides,
    });
  }

  async migrate(): Promise<void> {
    await migrate(this.connectionOptions());
  }

  async declare(): Promise<void> {
    await declareTopology(this.broker, this.names, PARTITIONS);
  }

  /** A network to a server that the test may break. */
  async openProxy(targetUrl: string): Promise<TcpProxy> {
    const proxy = await TcpProxy.open(targetUrl);
    this.onEnd(() => proxy.close());
    return proxy;
  }

  /** Called at the end of the test or, given outside of any, of the file; the latest first. */
  onEnd(cleanup: () => unknown): void {
    try {
      onTestFinished(async () => void (await cleanup()));
    } catch {
      this.onClose(cleanup);
    }
  }

  /** Called at the end of the file, the latest first, before anything else is removed. */
  onClose(cleanup: () => unknown): void {
    this.#cleanups.unshift(cleanup);
  }

  async close(keepDatabases: boolean): Promise<void> {
    for (const cleanup of this.#cleanups) await cleanup();
    await deleteTopology(this.broker, this.names, [PARTITIONS]);
    await this.broker.close();
    await this.sql.end();
    for (const name of this.#databases) {
      if (keepDatabases) console.log(`kept for a look, since a test failed: database ${name}`);
      else await this.#maintenance.query(`DROP DATABASE "${name}" WITH (FORCE)`);
    }
    await this.#maintenance.end();
  }
}

/** Call it once, at the top of a test file, before anything that uses what it returns. */
export async function openScratch(): Promise<Scratch> {
  const scratch = await Scratch.open();
  let failed = false;
  afterEach(({ task }) => {
    failed ||= task.result?.state === 'fail';
  });
  afterAll(() => scratch.close(failed));
  return scratch;
}

/** Runs something while a transaction of somebody else is open, which it then rolls back whatever happened. */
export async function inTransaction<T>(scratch: Scratch, run: (client: Client) => Promise<T>): Promise<T> {
  const client = await scratch.connect();
  await client.query('BEGIN');
  try {
    return await run(client);
  } finally {
    await client.query('ROLLBACK');
  }
}

function databaseUrlOf(name: string): string {
  const url = new URL(inject('databaseUrl'));
  url.pathname = `/${name}`;
  return url.href;
}
