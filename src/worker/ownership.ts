/**
 * Moves partitions to the workers they belong to.
 *
 * RabbitMQ 4 promotes a joining consumer of higher priority by itself. Before 4 it does not: the active consumer stays
 * until its channel closes, and only then the one of highest priority follows. So there a worker hands over what is not
 * its own: when the members change, and when one that a partition belongs to says that it is here and does not have it.
 */
import type { Broadcast } from '../broker/broadcast.ts';
import { routingKey } from '../contract/names.ts';
import type { Logger } from '../telemetry/logger.ts';
import { type Announcement, decodeAnnouncement, encodeAnnouncement } from './announcement.ts';
import { ANNOUNCE_INTERVAL_MS, Membership } from './membership.ts';
import { idealOwner } from './rendezvous.ts';
import type { PartitionKey } from './work-frame.ts';

/** What ownership needs of a partition's consumer. */
export interface OwnedPartition {
  readonly key: PartitionKey;
  /** Whether its queue delivers to us, as far as that can be known: it has, on the present channel. */
  readonly active: boolean;
  readonly open: boolean;
  /** Finishes what is being written, closes the channel and subscribes again. */
  handOver(): Promise<void>;
  /** Somebody else has it now, and says so. */
  yielded(): void;
}

export interface OwnershipOptions {
  readonly workerName: string;
  readonly partitions: () => readonly OwnedPartition[];
  /** Whether the broker moves partitions by itself. */
  readonly brokerPromotes: () => boolean;
  readonly logger: Logger;
}

/**
 * How long after a change it is acted on, or told. Workers that start together are heard together, so a partition
 * moves once and not once for each of them.
 */
const SETTLE_MS = 500;

export class Ownership {
  readonly #options: OwnershipOptions;
  readonly #membership: Membership;
  #broadcast: Broadcast | undefined;
  #announcing: NodeJS.Timeout | undefined;
  #settling: NodeJS.Timeout | undefined;
  #telling: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: OwnershipOptions) {
    this.#options = options;
    this.#membership = new Membership(options.workerName);
  }

  /** Begins to announce; call it when all partitions are subscribed to. */
  start(broadcast: Broadcast): void {
    this.#broadcast = broadcast;
    this.announce();
    this.#say('asking');
    this.#announcing = setInterval(() => {
      if (this.#membership.expire()) this.#scheduleRebalance();
      this.announce();
    }, ANNOUNCE_INTERVAL_MS);
  }

  /** Says that we are here, and what we have. */
  announce(): void {
    if (this.#options.partitions().every(({ open }) => open)) this.#say('here');
  }

  /** A partition has begun to deliver to us: who had it before should know. */
  becameActive(): void {
    if (this.#telling !== undefined || this.#stopped) return;
    this.#telling = setTimeout(() => {
      this.#telling = undefined;
      this.announce();
    }, SETTLE_MS);
  }

  /** Takes in what was heard on the workers exchange. */
  hear(body: Buffer): void {
    const announcement = decodeAnnouncement(body);
    if (announcement === undefined || this.#stopped || announcement.worker === this.#options.workerName)
      return;
    if (announcement.state === 'asking') {
      this.announce();
      return;
    }
    this.#yieldTo(announcement);
    if (this.#membership.hear(announcement)) {
      this.#options.logger.info(
        { workers: this.#membership.workers, worker: announcement.worker },
        announcement.state === 'leaving' ? 'a worker leaves' : 'a worker joined',
      );
      // Who joins does not know of us yet.
      if (announcement.state === 'here') this.announce();
      this.#scheduleRebalance();
    } else if (this.#lacks(announcement)) {
      this.#scheduleRebalance();
    }
  }

  /** The workers heard lately, this one included. */
  get workers(): string[] {
    return this.#membership.workers;
  }

  /** Says that we leave, and moves nothing any more. Safe twice, and before start. */
  stop(): void {
    if (this.#stopped) return;
    this.#say('leaving');
    this.#stopped = true;
    clearInterval(this.#announcing);
    clearTimeout(this.#settling);
    clearTimeout(this.#telling);
  }

  #say(state: Announcement['state']): void {
    const partitions = this.#options.partitions();
    this.#broadcast?.say(
      encodeAnnouncement({
        worker: this.#options.workerName,
        state,
        partitionCounts: [...new Set(partitions.map(({ key }) => key.partitionCount))],
        active: partitions.filter(({ active }) => active).map(({ key }) => nameOf(key)),
      }),
    );
  }

  /** Partitions that deliver to their owner do not deliver to us, whatever we had before. */
  #yieldTo({ worker, active }: Announcement): void {
    for (const partition of this.#options.partitions()) {
      if (!partition.active || !active.includes(nameOf(partition.key))) continue;
      if (idealOwner(this.#membership.workers, partition.key) === worker) partition.yielded();
    }
  }

  /** Whether we have a partition that belongs to who speaks, and who does not have it. */
  #lacks({ worker, active }: Announcement): boolean {
    return this.#options
      .partitions()
      .some(
        ({ key, active: ours }) =>
          ours && !active.includes(nameOf(key)) && idealOwner(this.#membership.workers, key) === worker,
      );
  }

  #scheduleRebalance(): void {
    if (this.#settling !== undefined || this.#options.brokerPromotes()) return;
    this.#settling = setTimeout(() => {
      this.#settling = undefined;
      void this.#rebalance();
    }, SETTLE_MS);
  }

  async #rebalance(): Promise<void> {
    const { workerName, logger } = this.#options;
    const { workers } = this.#membership;
    const foreign = this.#options.partitions().filter(({ key }) => idealOwner(workers, key) !== workerName);
    const moved = foreign.filter(({ active }) => active).map(({ key }) => key.partition);
    if (moved.length > 0) logger.info({ partitions: moved, workers }, 'handing partitions over');
    await Promise.all(foreign.map((partition) => partition.handOver()));
    if (!this.#stopped) this.announce();
  }
}

function nameOf({ partitionCount, partition }: PartitionKey): string {
  return routingKey(partitionCount, partition);
}
