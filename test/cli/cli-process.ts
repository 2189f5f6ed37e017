/** Runs the built command line as a process of its own, as a person or a script does. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { vi } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { PARTITIONS, type Scratch } from '../support/scratch.ts';

/** A test starts several processes, each of which takes seconds while others keep the machine busy. */
export const PATIENCE_MS = 120_000;
vi.setConfig({ testTimeout: PATIENCE_MS });

/** Built by `npm run build`, which `npm test` does first. */
export const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

export interface Ended {
  /** `null` if a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Standard input; without it there is none. */
  readonly input?: string | Buffer;
}

/** The command line in a folder and an environment of its own, so that nothing of this machine reaches it. */
export class Cli {
  readonly folder = mkdtempSync(join(tmpdir(), 'holdfast-cli-'));
  readonly #env: Readonly<Record<string, string>>;
  readonly #running = new Set<CliProcess>();

  constructor(env: Readonly<Record<string, string>> = {}) {
    this.#env = env;
  }

  /** For the installation of a test file; its processes end, and its folder goes, with the file. */
  static for(scratch: Scratch): Cli {
    const cli = new Cli({
      HOLDFAST_AMQP_URL: scratch.amqpUrl,
      HOLDFAST_DATABASE_URL: scratch.databaseUrl,
      HOLDFAST_PREFIX: scratch.names.prefix,
      HOLDFAST_PARTITIONS: String(PARTITIONS),
      HOLDFAST_HTTP_ADDRESS: 'off',
    });
    scratch.onClose(() => cli.close());
    return cli;
  }

  /** Runs a command to its end. */
  async run(args: readonly string[], options: CliOptions = {}): Promise<Ended> {
    return await this.start(args, options).ended;
  }

  /** As `run`, and its output as JSON. */
  async json<T>(args: readonly string[], options: CliOptions = {}): Promise<T> {
    const { stdout } = await this.run([...args, '--json'], options);
    return JSON.parse(stdout) as T;
  }

  start(args: readonly string[], { env = {}, input }: CliOptions = {}): CliProcess {
    const child = spawn(process.execPath, [MAIN, ...args], {
      cwd: this.folder,
      env: { PATH: process.env['PATH'] ?? '', ...this.#env, ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const started = new CliProcess(child);
    if (input !== undefined) child.stdin?.end(input);
    this.#running.add(started);
    void started.ended.then(() => this.#running.delete(started));
    return started;
  }

  /** Writes a file into the folder; returns its name. */
  file(name: string, content: string | Buffer): string {
    writeFileSync(join(this.folder, name), content);
    return name;
  }

  async close(): Promise<void> {
    for (const running of this.#running) running.child.kill('SIGKILL');
    await Promise.all(Array.from(this.#running, (running) => running.ended));
    rmSync(this.folder, { recursive: true });
  }
}

/** A command that is running. */
export class CliProcess {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  stdout = '';
  stderr = '';

  constructor(child: ChildProcess) {
    this.child = child;
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    // Whoever ends before it has read everything breaks the pipe.
    child.stdin?.on('error', () => undefined);
    this.ended = new Promise((resolve) => {
      child.on('close', (code) => resolve({ code, stdout: this.stdout, stderr: this.stderr }));
    });
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  /** Resolves when standard output has the text. @throws Error if the process ends before. */
  async printed(text: string): Promise<void> {
    await eventually(() => {
      if (this.stdout.includes(text)) return true;
      if (this.child.exitCode !== null) {
        throw new Error(`it ended with ${this.child.exitCode} before it printed ${text}: ${this.stderr}`);
      }
      return false;
    }, PATIENCE_MS);
  }
}

/** Starts a worker and waits until it consumes. */
export async function startWorker(cli: Cli, args: readonly string[] = []): Promise<CliProcess> {
  const worker = cli.start(['worker', ...args]);
  await worker.printed('"msg":"worker ready"');
  return worker;
}
