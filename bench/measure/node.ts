/** What an object node sees: children that stay for all rounds of a group, and the worker that answers them. */
import type { RunReport } from '../contenders/serve.ts';
import { Child, type ContenderScript } from './child.ts';
import { cpuBetween, type Rig } from './rig.ts';
import type { Sample } from './sample.ts';
import { percentile } from './statistics.ts';
import { WorkerProcess } from './worker.ts';

/** Started by `setUp` of a group, ended by its `tearDown`. */
export class Cast {
  readonly #rig: Rig;
  #worker: WorkerProcess | undefined;
  readonly #children = new Map<ContenderScript, Child<unknown>>();

  constructor(rig: Rig) {
    this.#rig = rig;
  }

  async startWorker(): Promise<void> {
    this.#worker = new WorkerProcess(this.#rig.installation, this.#rig.processes);
    await this.#worker.ready;
  }

  async start(script: ContenderScript, setup: object): Promise<void> {
    this.#children.set(script, await Child.start<unknown>(script, setup, this.#rig.processes));
  }

  /** One run of a child; CPU is the child's, the servers' and the worker's, if there is one. */
  async run(script: ContenderScript, run: object): Promise<Sample> {
    const child = this.#children.get(script);
    if (child === undefined) throw new Error(`${script} was not started`);
    const before = { ...this.#rig.serverCpu(), worker: this.#worker?.cpuSeconds() };
    const report: RunReport = await child.run(run);
    const after = { ...this.#rig.serverCpu(), worker: this.#worker?.cpuSeconds() };
    const { count, seconds, latenciesMs } = report;
    return {
      count,
      seconds,
      cpu: { ...cpuBetween(before, after), process: report.cpuSeconds },
      ...(latenciesMs === undefined
        ? {}
        : { latencyMs: { median: percentile(latenciesMs, 0.5), p99: percentile(latenciesMs, 0.99) } }),
    };
  }

  async end(): Promise<void> {
    await Promise.all([...this.#children.values()].map((child) => child.stop()));
    await this.#worker?.stop();
  }
}
