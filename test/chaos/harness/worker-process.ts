/** A worker replica as users run it, behind a network of its own that can be broken. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, type WriteStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { packageRoot } from '../../servers/package-root.ts';
import { FaultProxy } from '../faults/fault-proxy.ts';
import type { Scratch } from './scratch.ts';

export interface WorkerSettings {
  readonly name: string;
  readonly logFile: string;
  /** Name of a mutation of `mutants/mutations.ts`. */
  readonly mutant?: string | undefined;
  readonly environment?: Readonly<Record<string, string>>;
}

/** Shorter than the defaults, so that a run has time for every fault to be noticed. */
const TIMEOUTS = {
  HOLDFAST_HEARTBEAT_MS: '3000',
  HOLDFAST_CONNECT_TIMEOUT_MS: '5000',
  HOLDFAST_CONFIRM_TIMEOUT_MS: '10000',
  HOLDFAST_LOCK_TIMEOUT_MS: '2000',
  HOLDFAST_STATEMENT_TIMEOUT_MS: '10000',
  HOLDFAST_IDLE_IN_TRANSACTION_TIMEOUT_MS: '3000',
  HOLDFAST_TCP_USER_TIMEOUT_MS: '5000',
  HOLDFAST_RETRY_DELAY_MS_MAX: '1000',
};

const LAST_LINES = 30;
/** How long a worker may take until it listens to signals, whether servers are there or not. */
const LISTENING_MS = 5_000;

export class WorkerProcess {
  readonly name: string;
  readonly amqp: FaultProxy;
  readonly database: FaultProxy;
  /** Resolves when it consumes; rejects if it ends before. */
  readonly ready: Promise<void>;
  readonly ended: Promise<void>;
  /** Somebody ended it on purpose. */
  ending = false;
  stopped = false;
  readonly #child: ChildProcess;
  readonly #log: WriteStream;
  readonly #lastLines: string[] = [];

  private constructor(scratch: Scratch, amqp: FaultProxy, database: FaultProxy, settings: WorkerSettings) {
    const { name, logFile, mutant, environment = {} } = settings;
    this.name = name;
    this.amqp = amqp;
    this.database = database;
    this.#log = createWriteStream(logFile);
    const root = packageRoot();
    const own = (file: string): string[] => [
      '--import',
      pathToFileURL(join(root, 'build/test/chaos', file)).href,
    ];
    this.#child = spawn(
      process.execPath,
      [
        ...own('harness/with-parent.js'),
        ...(mutant === undefined ? [] : own('mutants/register.js')),
        join(root, 'dist/cli/main.js'),
        'worker',
        '--no-migrate',
        '--no-declare',
      ],
      {
        cwd: root,
        env: {
          ...process.env,
          ...TIMEOUTS,
          ...scratch.environment(amqp.url, database.url),
          HOLDFAST_WORKER_NAME: name,
          HOLDFAST_HTTP_ADDRESS: 'off',
          ...(mutant === undefined ? {} : { CHAOS_MUTANT: mutant }),
          ...environment,
        },
        stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
        // Ctrl-C in a terminal is for the harness.
        detached: true,
      },
    );
    this.ended = once(this.#child, 'exit').then(() => undefined);
    this.ready = this.#untilReady();
    // Whoever does not wait for it must not be ended by it.
    this.ready.catch(() => undefined);
  }

  static async start(scratch: Scratch, settings: WorkerSettings): Promise<WorkerProcess> {
    const [amqp, database] = await Promise.all([
      FaultProxy.open(scratch.amqpUrl),
      FaultProxy.open(scratch.databaseUrl),
    ]);
    return new WorkerProcess(scratch, amqp, database, settings);
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** How it ended although nobody ended it; `undefined` otherwise. */
  get crash(): string | undefined {
    if (this.running || this.ending) return undefined;
    const how = this.#child.signalCode ?? `exit code ${this.#child.exitCode}`;
    return `worker ${this.name} ended by itself (${how}): ${this.#lastLines.slice(-3).join(' | ')}`;
  }

  /** Ends it as a power failure would. */
  async kill(): Promise<void> {
    this.ending = true;
    this.#child.kill('SIGKILL');
    await this.#end();
  }

  /** Stops every thread of it where it stands. */
  freeze(): void {
    this.stopped = true;
    this.#child.kill('SIGSTOP');
  }

  thaw(): void {
    this.stopped = false;
    this.#child.kill('SIGCONT');
  }

  /** Lets it drain; returns what was wrong with its end, if anything was. */
  async drain(limitMs: number): Promise<string | undefined> {
    if (!this.running) return undefined;
    this.thaw();
    // Before it is ready it may not listen to signals yet; then it ends at once, which is no drain.
    await Promise.race([this.ready, new Promise((resolve) => setTimeout(resolve, LISTENING_MS))]).catch(
      () => undefined,
    );
    if (!this.running) return undefined;
    this.ending = true;
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), limitMs);
    await this.#end();
    clearTimeout(timer);
    const { exitCode, signalCode } = this.#child;
    if (exitCode === 0) return undefined;
    return `worker ${this.name} drained with ${signalCode ?? `exit code ${exitCode}`}: ${this.#lastLines.slice(-3).join(' | ')}`;
  }

  async #end(): Promise<void> {
    await this.ended;
    await Promise.all([this.amqp.close(), this.database.close()]);
    this.#log.end();
  }

  async #untilReady(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      for (const stream of [this.#child.stdout, this.#child.stderr]) {
        if (stream === null) continue;
        createInterface({ input: stream }).on('line', (line) => {
          this.#log.write(`${line}\n`);
          this.#lastLines.push(line);
          if (this.#lastLines.length > LAST_LINES) this.#lastLines.shift();
          if (line.includes('"worker ready"')) resolve();
        });
      }
      void this.ended.then(() =>
        reject(new Error(`worker ${this.name} has ended:\n${this.#lastLines.join('\n')}`)),
      );
    });
  }
}
