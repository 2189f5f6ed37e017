/** A worker inside the test's process, with its log and its counts at hand. */
import { Writable } from 'node:stream';
import type { Options } from '../../src/config/options.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { Worker, type WorkerOptions } from '../../src/worker/worker.ts';
import type { Scratch } from './scratch.ts';

export interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

export class TestWorker {
  readonly worker: Worker;
  readonly log: LogLine[] = [];
  /** What it declared itself unable to go on for. */
  readonly fatal: unknown[] = [];

  constructor(options: Options, more: Partial<WorkerOptions> = {}) {
    const destination = new Writable({
      write: (line: Buffer, _encoding, done) => {
        this.log.push(JSON.parse(line.toString()) as LogLine);
        done();
      },
    });
    this.worker = new Worker({
      options,
      logger: createLogger({ level: 'debug', destination }),
      version: '0.0.0',
      onFatal: (error) => this.fatal.push(error),
      ...more,
    });
  }

  get ready(): boolean {
    return this.worker.health.ready;
  }

  /** The value of a metric, the sum of those whose labels match. */
  async metric(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
    const text = await this.worker.metrics.render();
    const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
    return text
      .split('\n')
      .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
      .filter((line) => wanted.every((label) => line.includes(label)))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
  }

  /** Commands by outcome, without those there were none of. */
  async outcomes(): Promise<Record<string, number>> {
    const text = await this.worker.metrics.render();
    const counts: Record<string, number> = {};
    for (const [, outcome = '', count] of text.matchAll(
      /^holdfast_commands_total\{outcome="(\w+)"\} (\d+)$/gm,
    )) {
      if (Number(count) > 0) counts[outcome] = Number(count);
    }
    return counts;
  }
}

/** Starts a worker that is stopped with the file. */
export async function startWorker(
  scratch: Scratch,
  overrides: Partial<Options> = {},
  more: Partial<WorkerOptions> = {},
): Promise<TestWorker> {
  const started = new TestWorker(scratch.options(overrides), more);
  scratch.onEnd(() => started.worker.stop());
  await started.worker.start();
  return started;
}
