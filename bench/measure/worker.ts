/** A worker replica as users run it: its own process, default options. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import type { Readable } from 'node:stream';
import { packageRoot } from '../../test/servers/package-root.ts';
import { PARTITIONS } from '../workloads/frames.ts';
import type { ProcessSettings } from './child.ts';
import { cpuSecondsOfTree, peakMemoryBytes } from './proc.ts';

export interface Installation {
  readonly amqpUrl: string;
  readonly databaseUrl: string;
  readonly prefix: string;
}

const LAST_LINES = 20;

export function environmentOf({ amqpUrl, databaseUrl, prefix }: Installation): Record<string, string> {
  return {
    HOLDFAST_AMQP_URL: amqpUrl,
    HOLDFAST_DATABASE_URL: databaseUrl,
    HOLDFAST_PREFIX: prefix,
    HOLDFAST_PARTITIONS: String(PARTITIONS),
  };
}

export class WorkerProcess {
  /**
   * Resolves when the worker is connected to RabbitMQ, 20 to 40 ms before it subscribes. The clock of a drain starts here
   * and not when it reports ready, since it has taken its first frames by then: rather too slow than too fast.
   */
  readonly connected: Promise<void>;
  readonly ready: Promise<void>;
  readonly #child: ChildProcess;
  readonly #lines: Interface;
  readonly #ended: Promise<unknown>;
  readonly #lastLines: string[] = [];

  constructor(installation: Installation, { nodeArguments }: Pick<ProcessSettings, 'nodeArguments'>) {
    this.#child = spawn(
      process.execPath,
      [...nodeArguments, join(packageRoot(), 'dist/cli/main.js'), 'worker', '--no-migrate', '--no-declare'],
      {
        env: { ...process.env, ...environmentOf(installation), HOLDFAST_HTTP_ADDRESS: '127.0.0.1:0' },
        // Errors that it cannot log are for whoever runs the benchmark.
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    this.#lines = createInterface({ input: this.#child.stdout as Readable });
    this.#ended = once(this.#child, 'exit');
    const kill = (): void => this.kill();
    process.once('exit', kill);
    void this.#ended.then(() => process.off('exit', kill));
    // One connection to consume, one to publish.
    this.connected = this.#untilLine('"connected to RabbitMQ"', 2);
    this.ready = this.#untilLine('"worker ready"', 1);
    // Only one of them may be waited for.
    this.connected.catch(() => undefined);
    this.ready.catch(() => undefined);
    this.#lines.on('line', (line) => {
      this.#lastLines.push(line);
      if (this.#lastLines.length > LAST_LINES) this.#lastLines.shift();
    });
  }

  get #pid(): number {
    return this.#child.pid ?? -1;
  }

  cpuSeconds(): number | undefined {
    return cpuSecondsOfTree(this.#pid);
  }

  peakMemoryBytes(): number | undefined {
    return peakMemoryBytes(this.#pid);
  }

  /** Lets it finish. @throws if it ends otherwise than well. */
  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    await this.#ended;
    if (this.#child.exitCode !== 0) throw new Error(`the worker ended badly:\n${this.#lastLines.join('\n')}`);
  }

  /** Waits for something that needs the worker. @throws if the worker ends meanwhile. */
  async during<T>(work: Promise<T>): Promise<T> {
    const ended = this.#ended.then(() => {
      throw new Error(`the worker has ended:\n${this.#lastLines.join('\n')}`);
    });
    return await Promise.race([work, ended]);
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  #untilLine(part: string, times: number): Promise<void> {
    return new Promise((resolve, reject) => {
      let seen = 0;
      this.#lines.on('line', (line) => {
        if (line.includes(part)) seen += 1;
        if (seen === times) resolve();
      });
      void this.#ended.then(() => reject(new Error(`the worker has ended:\n${this.#lastLines.join('\n')}`)));
    });
  }
}
