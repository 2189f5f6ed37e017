/** A database and a prefix of queue names for one run, removed at its end: nothing stays in given servers. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type ChannelModel, connect } from 'amqplib';
import { packageRoot } from '../../servers/package-root.ts';
import { runSql } from '../../servers/run-sql.ts';
import { AUDIT_SQL } from './audit-trail.ts';

export class Scratch {
  readonly prefix: string;
  readonly partitions: number;
  readonly amqpUrl: string;
  readonly databaseUrl: string;
  readonly lettersQueue: string;
  readonly #maintenanceUrl: string;

  private constructor(prefix: string, amqpUrl: string, maintenanceUrl: string, partitions: number) {
    this.prefix = prefix;
    this.partitions = partitions;
    this.amqpUrl = amqpUrl;
    this.lettersQueue = `${prefix}.chaos-letters`;
    this.#maintenanceUrl = maintenanceUrl;
    const databaseUrl = new URL(maintenanceUrl);
    databaseUrl.pathname = `/${prefix}`;
    this.databaseUrl = databaseUrl.href;
  }

  static async create(amqpUrl: string, maintenanceUrl: string, partitions: number): Promise<Scratch> {
    const prefix = `holdfast-chaos-${randomBytes(4).toString('hex')}`;
    const scratch = new Scratch(prefix, amqpUrl, maintenanceUrl, partitions);
    try {
      await runSql(maintenanceUrl, `CREATE DATABASE "${prefix}" TEMPLATE template0 ENCODING 'UTF8'`);
      await scratch.#holdfast('migrate');
      await runSql(scratch.databaseUrl, AUDIT_SQL);
      await scratch.#holdfast('topology');
      await scratch.#declareLetters();
    } catch (error) {
      await scratch.remove();
      throw error;
    }
    return scratch;
  }

  get queues(): string[] {
    return Array.from(
      { length: this.partitions },
      (_, partition) => `${this.prefix}.commands.${this.partitions}.${partition}`,
    );
  }

  /** What a process needs to know, as environment. */
  environment(amqpUrl = this.amqpUrl, databaseUrl = this.databaseUrl): Record<string, string> {
    return {
      HOLDFAST_AMQP_URL: amqpUrl,
      HOLDFAST_DATABASE_URL: databaseUrl,
      HOLDFAST_PREFIX: this.prefix,
      HOLDFAST_PARTITIONS: String(this.partitions),
    };
  }

  /** Safe twice. Never throws: servers may be gone. */
  async remove(): Promise<void> {
    await this.#deleteQueues().catch(() => undefined);
    await runSql(this.#maintenanceUrl, `DROP DATABASE IF EXISTS "${this.prefix}" WITH (FORCE)`).catch(
      () => undefined,
    );
  }

  async #holdfast(command: string): Promise<void> {
    await promisify(execFile)(process.execPath, [join(packageRoot(), 'dist/cli/main.js'), command], {
      env: { ...process.env, ...this.environment() },
    });
  }

  /** Every letter, in a queue of the harness's own beside the one that workers empty. */
  async #declareLetters(): Promise<void> {
    await this.withBroker(async (model) => {
      const channel = await model.createChannel();
      await channel.assertQueue(this.lettersQueue, {
        durable: true,
        arguments: { 'x-queue-type': 'quorum' },
      });
      await channel.bindQueue(this.lettersQueue, `${this.prefix}.dead-letters`, '');
    });
  }

  async withBroker<T>(use: (model: ChannelModel) => Promise<T>): Promise<T> {
    const model = await connect(this.amqpUrl);
    model.on('error', () => undefined);
    try {
      return await use(model);
    } finally {
      await model.close().catch(() => undefined);
    }
  }

  async #deleteQueues(): Promise<void> {
    await this.withBroker(async (model) => {
      const channel = await model.createChannel();
      const { prefix } = this;
      for (const queue of [...this.queues, `${prefix}.dead-letters`, `${prefix}.loads`, this.lettersQueue]) {
        await channel.deleteQueue(queue);
      }
      for (const exchange of ['commands', 'dead-letters', 'workers']) {
        await channel.deleteExchange(`${prefix}.${exchange}`);
      }
    });
  }
}
