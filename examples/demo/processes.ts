/** The processes of the demo: worker replicas and object nodes. */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { NodeMessage, NodeReport } from './plan.ts';

/** Where the servers are, as environment variables. */
export type Environment = Readonly<Record<string, string>>;

/** A worker replica as users run it. */
export class WorkerProcess {
  readonly name: string;
  /** Resolves when it consumes; rejects with its last lines if it ends before. */
  readonly ready: Promise<void>;
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;

  constructor(name: string, env: Environment) {
    this.name = name;
    const program = new URL('../../../dist/cli/main.js', import.meta.url).pathname;
    this.#child = spawn(process.execPath, [program, 'worker'], {
      env: { ...process.env, ...env, HOLDFAST_WORKER_NAME: name, HOLDFAST_HTTP_ADDRESS: 'off' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#ended = once(this.#child, 'exit');
    // Whatever ends the demo ends its workers.
    process.once('exit', () => this.kill());
    this.ready = this.#untilReady();
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Ends it as a power failure would. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }

  /** Lets it finish; resolves with its exit code. Safe after `kill`. */
  async stop(): Promise<number | null> {
    this.#child.kill('SIGTERM');
    await this.#ended;
    return this.#child.exitCode;
  }

  async #untilReady(): Promise<void> {
    const lines: string[] = [];
    await new Promise<void>((resolve, reject) => {
      const { stdout, stderr } = this.#child;
      for (const stream of [stdout, stderr]) {
        if (stream === null) continue;
        createInterface({ input: stream }).on('line', (line) => {
          lines.push(line);
          if (lines.length > 20) lines.shift();
          if (line.includes('"worker ready"')) resolve();
        });
      }
      void this.#ended.then(() => reject(new Error(`${this.name} has ended:\n${lines.join('\n')}`)));
    });
  }
}

/** An object node; resolves with what it had confirmed. */
export async function runNode(
  name: string,
  url: string,
  prefix: string,
  onProgress: (done: number) => void,
  signal: AbortSignal,
): Promise<NodeReport> {
  const child = fork(new URL('./node.js', import.meta.url), [name, url, prefix], { signal });
  const report = new Promise<NodeReport>((resolve, reject) => {
    child.on('message', (message: NodeMessage) => {
      if (message.kind === 'progress') onProgress(message.done);
      else resolve(message.report);
    });
    child.on('error', reject);
    child.on('close', (code) => reject(new Error(`${name} has ended with ${code} before it was done`)));
  });
  return await report;
}
