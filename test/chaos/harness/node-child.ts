/** A node process of a run, behind a network of its own. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { packageRoot } from '../../servers/package-root.ts';
import { FaultProxy } from '../faults/fault-proxy.ts';
import type { NodeConfig, NodeCounts, NodeOrder, NodeReport } from '../nodes/node-config.ts';

type Finished = Extract<NodeReport, { kind: 'finished' }>;

export class NodeChild {
  readonly name: string;
  readonly amqp: FaultProxy;
  readonly ready: Promise<void>;
  counts: NodeCounts = { issued: 0, confirmed: 0, answered: 0, replayed: 0, sentTwice: 0, outcomes: {} };
  readonly #child: ChildProcess;
  readonly #finished: Promise<Finished>;
  #isFinished = false;

  private constructor(program: 'object-node' | 'raw-node', config: NodeConfig, amqp: FaultProxy) {
    this.name = config.name;
    this.amqp = amqp;
    this.#child = fork(join(packageRoot(), 'build/test/chaos/nodes', `${program}.js`), [], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      execArgv: [],
      detached: true,
    });
    const ended = once(this.#child, 'exit').then(([code]) => {
      throw new Error(`node ${config.name} has ended with ${code}`);
    });
    const heard = new Promise<Finished>((resolve) => {
      this.#child.on('message', (report: NodeReport) => {
        if (report.kind === 'ready') return;
        this.counts = report.counts;
        if (report.kind !== 'finished') return;
        this.#isFinished = true;
        resolve(report);
      });
    });
    // The first thing it says is that it is ready.
    this.ready = Promise.race([once(this.#child, 'message').then(() => undefined), ended]);
    this.#finished = Promise.race([heard, ended]);
    this.ready.catch(() => undefined);
    this.#finished.catch(() => undefined);
    this.#order({ do: 'start', config: { ...config, amqpUrl: amqp.url } });
  }

  static async start(program: 'object-node' | 'raw-node', config: NodeConfig): Promise<NodeChild> {
    return new NodeChild(program, config, await FaultProxy.open(config.amqpUrl));
  }

  get crash(): string | undefined {
    const { exitCode, signalCode } = this.#child;
    if (this.#isFinished || (exitCode === null && signalCode === null)) return undefined;
    return `node ${this.name} ended by itself (${signalCode ?? exitCode})`;
  }

  /** While held it begins nothing more. */
  hold(held: boolean): void {
    this.#order({ do: held ? 'hold' : 'resume' });
  }

  /** Lets it settle what is under way; its counts and complaints. */
  async finish(limitMs: number): Promise<Pick<Finished, 'unsettled' | 'malformedReplies'>> {
    this.#order({ do: 'finish' });
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<Pick<Finished, 'unsettled' | 'malformedReplies'>>((resolve) => {
      timer = setTimeout(
        () => resolve({ unsettled: [`node ${this.name} did not finish`], malformedReplies: [] }),
        limitMs,
      );
    });
    try {
      return await Promise.race([this.#finished, late]);
    } catch (error) {
      return { unsettled: [String(error)], malformedReplies: [] };
    } finally {
      clearTimeout(timer);
    }
  }

  async end(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const gone = once(this.#child, 'exit');
      this.#child.kill('SIGKILL');
      await gone;
    }
    await this.amqp.close();
  }

  #order(order: NodeOrder): void {
    if (this.#child.connected) this.#child.send(order);
  }
}
