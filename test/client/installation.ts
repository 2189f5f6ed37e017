/**
 * What a test file of the client needs of RabbitMQ, for itself alone: a prefix with its topology, clients, workers, and a
 * network that can be broken. What a test opens is closed after it, and its queues are emptied; the rest goes with the file.
 */
import { randomBytes } from 'node:crypto';
import { type ChannelModel, connect as connectBroker } from 'amqplib';
import { afterAll, afterEach, inject } from 'vitest';
import { declareTopology, deleteTopology } from '../../src/broker/topology.ts';
import type { HoldfastClient } from '../../src/client/client.ts';
import type { ConnectOptions } from '../../src/client/client-options.ts';
import { connect } from '../../src/client/connect.ts';
import { commandsQueue, type Names, namesFor } from '../../src/contract/names.ts';
import type { LogFields } from '../../src/telemetry/logger.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { ScriptedWorker } from './scripted-worker.ts';

/** Fewer than in life: queues are what takes time to declare. */
export const PARTITIONS = 2;

export interface LogLine {
  readonly level: string;
  readonly fields: LogFields;
  readonly message: string;
}

export class Installation {
  readonly names: Names;
  readonly amqpUrl: string;
  /** For declaring, looking and cleaning; never part of what is tested. */
  readonly broker: ChannelModel;
  /** What the clients of the present test logged. */
  readonly log: LogLine[] = [];
  readonly #open: { close(): Promise<void> }[] = [];

  private constructor(prefix: string, broker: ChannelModel) {
    this.names = namesFor(prefix);
    this.amqpUrl = inject('amqpUrl');
    this.broker = broker;
  }

  static async open(): Promise<Installation> {
    const broker = await connectBroker(inject('amqpUrl'));
    const installation = new Installation(`holdfast-test-${randomBytes(5).toString('hex')}`, broker);
    await declareTopology(broker, installation.names, PARTITIONS);
    return installation;
  }

  /** A client of this installation with short delays, closed after the test. */
  async connect(overrides: Partial<ConnectOptions> = {}): Promise<HoldfastClient> {
    const client = await connect({
      url: this.amqpUrl,
      node: 'node-1',
      prefix: this.names.prefix,
      partitions: PARTITIONS,
      retryDelayMsMin: 5,
      retryDelayMsMax: 50,
      logger: this.#logger(),
      ...overrides,
    });
    this.#open.push({ close: () => client.close({ drainTimeoutMs: 0 }) });
    return client;
  }

  /** A client behind a network of its own. */
  async connectThroughProxy(
    overrides: Partial<ConnectOptions> = {},
  ): Promise<{ client: HoldfastClient; proxy: TcpProxy }> {
    const proxy = await TcpProxy.open(this.amqpUrl);
    this.#open.unshift(proxy);
    const client = await this.connect({ url: proxy.url, ...overrides });
    return { client, proxy };
  }

  /** A worker that does what the test says, closed after the test. */
  async work(): Promise<ScriptedWorker> {
    const worker = await ScriptedWorker.open(this.amqpUrl, this.names, PARTITIONS);
    this.#open.push(worker);
    return worker;
  }

  async closeAll(): Promise<void> {
    for (const each of this.#open.splice(0).toReversed()) await each.close();
    this.log.length = 0;
    const channel = await this.broker.createChannel();
    for (let partition = 0; partition < PARTITIONS; partition += 1) {
      await channel.purgeQueue(commandsQueue(this.names, PARTITIONS, partition));
    }
    await channel.purgeQueue(this.names.loadsQueue);
    await channel.close();
  }

  async close(): Promise<void> {
    await deleteTopology(this.broker, this.names, [PARTITIONS]);
    await this.broker.close();
  }

  #logger(): NonNullable<ConnectOptions['logger']> {
    const at = (level: string) => (fields: LogFields, message: string) =>
      void this.log.push({ level, fields, message });
    return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
  }
}

/** Call it once, at the top of a test file. */
export async function openInstallation(): Promise<Installation> {
  const installation = await Installation.open();
  afterEach(() => installation.closeAll());
  afterAll(() => installation.close());
  return installation;
}
