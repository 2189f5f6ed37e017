/**
 * Holds the nodes while the workers are far behind. A run must end, and publishers that nothing restrains outrun two
 * cores on which their own workers, the servers and the faults run as well; what is promised does not depend on the pace.
 */
import { type ChannelModel, connect } from 'amqplib';
import type { NodeChild } from './node-child.ts';
import type { Scratch } from './scratch.ts';

const LOOK_INTERVAL_MS = 500;
/**
 * Frames of about a hundred commands. Under faults and with the audit trail, workers on two slow cores did 1,000 to 2,500
 * commands a second, which makes this twenty to forty seconds of work; a fast machine is held a little more often.
 */
const FRAMES_HOLD = 500;
const FRAMES_RESUME = 150;

export class BacklogGovernor {
  /** How often the nodes were held. */
  holds = 0;
  readonly #scratch: Scratch;
  readonly #nodes: readonly NodeChild[];
  #model: ChannelModel | undefined;
  #timer: NodeJS.Timeout | undefined;
  #held = false;
  #stopped = false;

  constructor(scratch: Scratch, nodes: readonly NodeChild[]) {
    this.#scratch = scratch;
    this.#nodes = nodes;
  }

  start(): void {
    this.#schedule();
  }

  /** Lets the nodes go. Safe twice, and before start. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#setHeld(false);
    await this.#model?.close().catch(() => undefined);
  }

  #schedule(): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      // A broker that is away has no backlog to tell of; the nodes wait for it by themselves.
      void this.#look()
        .catch(() => this.#forget())
        .finally(() => this.#schedule());
    }, LOOK_INTERVAL_MS);
  }

  async #look(): Promise<void> {
    this.#model ??= await this.#connect();
    const channel = await this.#model.createChannel();
    channel.on('error', () => undefined);
    let frames = 0;
    for (const queue of this.#scratch.queues) frames += (await channel.checkQueue(queue)).messageCount;
    await channel.close();
    // Who is held then is let go by nobody.
    if (this.#stopped) return;
    if (frames > FRAMES_HOLD) this.#setHeld(true);
    else if (frames < FRAMES_RESUME) this.#setHeld(false);
  }

  async #connect(): Promise<ChannelModel> {
    const model = await connect(this.#scratch.amqpUrl, { timeout: 5_000 });
    model.on('error', () => undefined);
    model.on('close', () => {
      if (this.#model === model) this.#model = undefined;
    });
    return model;
  }

  #forget(): void {
    void this.#model?.close().catch(() => undefined);
    this.#model = undefined;
  }

  #setHeld(held: boolean): void {
    if (held === this.#held) return;
    this.#held = held;
    if (held) this.holds += 1;
    for (const node of this.#nodes) node.hold(held);
  }
}
