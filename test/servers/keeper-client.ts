// Our end of the keeper: starts it, asks it to run and to stop processes, and lets it go.

import { type ChildProcess, fork } from 'node:child_process';
import { accessSync, constants, rmSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { packageRoot } from './package-root.ts';
import { untilAnswered } from './server-answers.ts';
import type { Account } from './unprivileged-account.ts';

/** A program to run under the keeper. */
export interface Program {
  name: string;
  command: string;
  args: string[];
  /** The whole environment: nothing is inherited, so that the caller's PG…, RABBITMQ_… and ERL_… do not matter. */
  env: Record<string, string>;
  /** The user to run as; our own if undefined. */
  account?: Account | undefined;
  /** The file that takes standard output and error. */
  log: string;
}

export interface ServerProgram extends Program {
  startLimitMs: number;
  /** What stops it in an orderly way: each signal in turn with the time it has, then SIGKILL. */
  signals: { signal: NodeJS.Signals; waitMs: number }[];
  /** Loses signals while it starts up, so until it answers it is only ever killed. */
  deafAtFirst?: boolean;
  /** Stopped only after all others that are not last. */
  last?: boolean;
}

interface Reply {
  id?: number;
  value?: { pid?: number; code?: number | null; signal?: string | null };
  error?: string;
  folder?: string;
  failed?: string;
  exited?: string;
  code?: number | null;
  signal?: string | null;
}

type Waiting = { resolve: (value: NonNullable<Reply['value']>) => void; reject: (error: Error) => void };

const LOG_TAIL_LINES = 15;

export class Keeper {
  readonly folder: string;
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  readonly #pids = new Map<string, number>();
  readonly #deaths = new Map<string, string>();
  readonly #gone: Promise<void>;
  #failure = 'the keeper of the servers is gone';
  #lastId = 0;

  private constructor(keeper: ChildProcess, folder: string) {
    this.#process = keeper;
    this.folder = folder;
    keeper.on('message', (reply) => this.#take(reply as Reply));
    keeper.on('error', () => {}); // a message that cannot be sent any more: its end says it all
    this.#gone = new Promise((resolve) => keeper.once('exit', () => resolve()));
    void this.#gone.then(() => {
      // Killed itself, it could not stop the servers.
      if (keeper.signalCode !== null) this.#killServers();
      this.#pids.clear();
      for (const { reject } of this.#waiting.values()) reject(new Error(this.#failure));
      this.#waiting.clear();
    });
    this.#letUsEnd();
  }

  static async open(): Promise<Keeper> {
    const keeper = fork(join(packageRoot(), 'test/servers/keeper.mjs'), [parentFolder()], {
      // A session of its own: Ctrl-C in the terminal is for us, and the keeper sees it by our end.
      detached: true,
      env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin' },
      execArgv: [],
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    const folder = await new Promise<string>((resolve, reject) => {
      keeper.once('message', (first: Reply) =>
        first.folder === undefined ? reject(new Error(first.failed)) : resolve(first.folder),
      );
      keeper.once('error', reject);
      keeper.once('exit', (code) => reject(new Error(`the keeper of the servers ended at once (${code})`)));
    });
    return new Keeper(keeper, folder);
  }

  /** Runs a program to its end; throws, with the end of its log, unless it succeeds. */
  async run(program: Program): Promise<void> {
    const { code, signal } = await this.#ask({ do: 'run', ...program });
    if (code !== 0) throw new Error(await this.#report(program, ending(code, signal)));
  }

  /** Starts a server and returns its first answer. It runs until `stop`, `end` or the end of this process. */
  async start<T>(server: ServerProgram, ask: () => Promise<T | undefined>): Promise<T> {
    const { name, startLimitMs } = server;
    this.#deaths.delete(name);
    const { pid } = await this.#ask({ do: 'start', ...server });
    if (pid !== undefined && !this.#deaths.has(name)) this.#pids.set(name, pid);
    const answer = await untilAnswered(name, startLimitMs, async () => {
      const death = this.#deaths.get(name);
      if (death !== undefined) throw new Error(await this.#report(server, death));
      return ask();
    });
    await this.#ask({ do: 'ready', name });
    return answer;
  }

  async stop(name: string, mode: 'orderly' | 'kill'): Promise<void> {
    await this.#ask({ do: 'stop', name, mode });
    this.#pids.delete(name);
  }

  pid(name: string): number | undefined {
    return this.#pids.get(name);
  }

  /** Stops everything in an orderly way and removes the folder. Safe to call twice. */
  async end(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    this.#process.ref();
    if (this.#process.connected) this.#process.send({ do: 'end' });
    await this.#gone;
  }

  async #ask(request: object): Promise<NonNullable<Reply['value']>> {
    if (!this.#process.connected) throw new Error(this.#failure);
    const id = (this.#lastId += 1);
    this.#process.ref();
    this.#process.channel?.ref();
    try {
      return await new Promise((resolve, reject) => {
        this.#waiting.set(id, { resolve, reject });
        this.#process.send({ id, ...request });
      });
    } finally {
      if (this.#waiting.size === 0) this.#letUsEnd();
    }
  }

  #take(reply: Reply): void {
    if (reply.failed !== undefined) this.#failure = `the keeper of the servers failed: ${reply.failed}`;
    if (reply.exited !== undefined) {
      this.#pids.delete(reply.exited);
      this.#deaths.set(reply.exited, ending(reply.code, reply.signal));
    }
    if (reply.id === undefined) return;
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if (reply.error === undefined) waiting?.resolve(reply.value ?? {});
    else waiting?.reject(new Error(reply.error));
  }

  #killServers(): void {
    for (const pid of this.#pids.values()) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It is gone too.
      }
    }
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  /** The servers running is no reason for this process to stay: its end is what stops them. */
  #letUsEnd(): void {
    this.#process.unref();
    this.#process.channel?.unref();
  }

  async #report(program: Program, what: string): Promise<string> {
    const log = await readFile(program.log, 'utf8').catch(() => '');
    const tail = log.trimEnd().split('\n').slice(-LOG_TAIL_LINES).join('\n  ');
    return `${program.name} ${what}; its log ends:\n  ${tail}`;
  }
}

function ending(code: number | null | undefined, signal: string | null | undefined): string {
  return signal ? `was ended by ${signal}` : `ended with exit code ${code}`;
}

/**
 * Where the servers' folder goes. Not the usual place for temporary files, which is often memory: syncing to that
 * costs nothing, so that every measurement would flatter, and a long run could fill it.
 */
function parentFolder(): string {
  const candidates = [process.env['TMPDIR'], '/var/tmp', tmpdir()];
  return candidates.find((folder) => folder !== undefined && usable(folder)) ?? tmpdir();
}

function usable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    return process.getuid?.() !== 0 || reachableByAll(folder);
  } catch {
    return false;
  }
}

/** Root's servers run as other users, who must be able to walk down to the folder. */
function reachableByAll(folder: string): boolean {
  const above = dirname(folder);
  return (statSync(folder).mode & 0o001) !== 0 && (above === folder || reachableByAll(above));
}
