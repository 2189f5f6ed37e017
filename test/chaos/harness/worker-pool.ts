/** The worker replicas of a run: as many as wanted, replaced when one is killed. */
import { join } from 'node:path';
import type { Random } from '../workload/random.ts';
import type { Scratch } from './scratch.ts';
import { WorkerProcess } from './worker-process.ts';

/** How long a worker may take to finish what it is writing. */
const DRAIN_MS = 45_000;
const READY_MS = 60_000;

export class WorkerPool {
  /** Complaints about workers that ended otherwise than they should. */
  readonly crashes: string[] = [];
  readonly #scratch: Scratch;
  readonly #logFolder: string;
  readonly #mutant: string | undefined;
  #workers: WorkerProcess[] = [];
  #started = 0;
  #closed = false;

  /** @param mutant name of a mutation (mutants/mutations.ts) of every worker. */
  constructor(scratch: Scratch, logFolder: string, mutant?: string) {
    this.#scratch = scratch;
    this.#logFolder = logFolder;
    this.#mutant = mutant;
  }

  get running(): readonly WorkerProcess[] {
    return this.#workers;
  }

  get startedCount(): number {
    return this.#started;
  }

  /** Starts one more, and waits until it consumes if the servers let it. */
  async add(environment?: Readonly<Record<string, string>>): Promise<WorkerProcess | undefined> {
    if (this.#closed) return undefined;
    this.#started += 1;
    const name = `w${this.#started}`;
    const logFile = join(this.#logFolder, `worker-${name}.log`);
    const worker = await WorkerProcess.start(this.#scratch, {
      name,
      logFile,
      mutant: this.#mutant,
      ...(environment === undefined ? {} : { environment }),
    });
    this.#workers.push(worker);
    void worker.ended.then(() => this.#forget(worker));
    return worker;
  }

  /** One that nobody is ending or has stopped. */
  pick(random: Random): WorkerProcess | undefined {
    const able = this.#workers.filter(({ ending, stopped, running }) => running && !ending && !stopped);
    return able.length === 0 ? undefined : random.pick(able);
  }

  byName(name: string): WorkerProcess | undefined {
    return this.#workers.find((worker) => worker.name === name);
  }

  async kill(worker: WorkerProcess): Promise<void> {
    await worker.kill();
  }

  async drain(worker: WorkerProcess): Promise<void> {
    const complaint = await worker.drain(DRAIN_MS);
    if (complaint !== undefined) this.crashes.push(complaint);
  }

  /** Brings the number of workers to `count`. */
  async scaleTo(count: number, random: Random): Promise<void> {
    while (this.#workers.length < count && !this.#closed) await this.add();
    while (this.#workers.length > count) {
      const worker = this.pick(random);
      if (worker === undefined) return;
      await this.drain(worker);
    }
  }

  async untilReady(): Promise<string[]> {
    const late: string[] = [];
    await Promise.all(
      this.#workers.map(async (worker) => {
        let timer: NodeJS.Timeout | undefined;
        const timeout = new Promise<void>((_resolve, reject) => {
          timer = setTimeout(
            () => reject(new Error(`worker ${worker.name} was not ready within ${READY_MS} ms`)),
            READY_MS,
          );
        });
        await Promise.race([worker.ready, timeout]).catch((error: unknown) => late.push(String(error)));
        clearTimeout(timer);
      }),
    );
    return late;
  }

  /** Lets all of them drain; what was wrong is in `crashes`. */
  async drainAll(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => this.drain(worker)));
  }

  /** Ends whatever still runs. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#workers.map((worker) => worker.kill()));
  }

  #forget(worker: WorkerProcess): void {
    const { crash } = worker;
    if (crash !== undefined) this.crashes.push(crash);
    this.#workers = this.#workers.filter((other) => other !== worker);
  }
}
