/** A contender in a process of its own, as it would be in life; our side of `contenders/serve.ts`. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { ChildMessage, RunReport } from '../contenders/serve.ts';
import { peakMemoryBytes } from './proc.ts';

/** Of every process that is measured. */
export interface ProcessSettings {
  /** Ends it at once. */
  readonly signal: AbortSignal;
  /** Of Node itself, such as those that profile. */
  readonly nodeArguments: readonly string[];
}

export type ContenderScript =
  | 'ceiling'
  | 'direct'
  | 'holdfast-client'
  | 'naive'
  | 'queue-and-upsert'
  | 'rabbitmq-alone'
  | 'sequential-batch';

export class Child<Run> {
  readonly #name: string;
  readonly #process: ChildProcess;
  readonly #ended: Promise<unknown>;

  private constructor(name: string, { signal, nodeArguments }: ProcessSettings) {
    this.#name = name;
    this.#process = fork(new URL(`../contenders/${name}.js`, import.meta.url), {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      execArgv: [...nodeArguments],
    });
    this.#ended = once(this.#process, 'exit');
    const kill = (): void => void this.#process.kill('SIGKILL');
    signal.addEventListener('abort', kill);
    void this.#ended.then(() => signal.removeEventListener('abort', kill));
  }

  /** Resolves when the child is connected and has its data. */
  static async start<Run>(
    name: ContenderScript,
    setup: object,
    processes: ProcessSettings,
  ): Promise<Child<Run>> {
    const child = new Child<Run>(name, processes);
    await child.#ask(setup);
    return child;
  }

  async run(run: Run): Promise<RunReport> {
    const answer = await this.#ask(run);
    if (!('report' in answer)) throw new Error(`${this.#name} did not report`);
    return answer.report;
  }

  get peakMemoryBytes(): number | undefined {
    return this.#process.pid === undefined ? undefined : peakMemoryBytes(this.#process.pid);
  }

  async stop(): Promise<void> {
    if (this.#process.connected) this.#process.disconnect();
    await this.#ended;
  }

  async #ask(message: unknown): Promise<ChildMessage> {
    return await new Promise((resolve, reject) => {
      void this.#ended.then(() => {
        const { exitCode, signalCode } = this.#process;
        reject(new Error(`${this.#name} has ended (${signalCode ?? `exit code ${exitCode}`})`));
      });
      this.#process.once('message', (answer) => resolve(answer as ChildMessage));
      this.#process.send(message as object, (error) => {
        if (error !== null) reject(error);
      });
    });
  }
}
