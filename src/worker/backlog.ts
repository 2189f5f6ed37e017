/**
 * What was delivered and is not being worked on yet, by partition, and the taking of batches from it.
 *
 * Natural batching: no timer. A free writer takes what is there; while it writes, the next batch gathers. A partition
 * is with one writer at a time, so its order holds; writers that are free together share the waiting partitions. A frame
 * that is suspected (suspects.ts) is given out when nothing else is under way, with others of its partition that are suspected,
 * and nothing else until they are done with.
 */
import type { Decoding, PartitionKey, WorkFrame } from './work-frame.ts';

/**
 * Suspects that are worked on together. When a worker dies over them, each is worked on by itself afterwards, at some 5 ms for
 * each: 64 are done within half a second or so.
 */
const SUSPECTS_TOGETHER_MAX = 64;

export interface BacklogOptions {
  readonly batchCommandsMax: number;
  readonly batchBytesMax: number;
  readonly decoding: Decoding;
}

/** The frames of one partition. */
export class PartitionBacklog {
  readonly key: PartitionKey;
  /** In queue order. */
  frames: WorkFrame[] = [];
  /** With a writer. */
  busy = false;
  /** Being handed over: nothing is added or given out. */
  paused = false;
  /** Set aside until then (performance.now()), because somebody else holds its locks. */
  notBeforeMs = 0;

  constructor(key: PartitionKey) {
    this.key = key;
  }
}

/** What one writer works on. */
export interface Batch {
  readonly partitions: readonly PartitionBacklog[];
  /** In queue order within each partition. */
  readonly frames: readonly WorkFrame[];
  /** All frames are suspects, of one partition: not decoded before they are begun, and settled before the batch is released. */
  readonly suspects: boolean;
}

export class Backlog {
  readonly #options: BacklogOptions;
  readonly #partitions: PartitionBacklog[] = [];
  /** Writers that wait for work. */
  readonly #waiting: ((batch: Batch | undefined) => void)[] = [];
  /** Given out and neither released nor stalled. */
  readonly #underWay = new Set<Batch>();
  /** The one of them whose frames are suspects. */
  #alone: Batch | undefined;
  #nextFirst = 0;
  #scheduled = false;
  #timer: NodeJS.Timeout | undefined;
  #ended = false;

  constructor(options: BacklogOptions) {
    this.#options = options;
  }

  /** Makes room for a partition; frames are added to what is returned. */
  partition(key: PartitionKey): PartitionBacklog {
    const partition = new PartitionBacklog(key);
    this.#partitions.push(partition);
    return partition;
  }

  /** Gives no frame of it any more; nothing is added either. */
  remove(partition: PartitionBacklog): void {
    partition.paused = true;
    const index = this.#partitions.indexOf(partition);
    if (index >= 0) this.#partitions.splice(index, 1);
  }

  /** Returns whether it was taken; not after `end`, and not while the partition is being handed over. */
  add(partition: PartitionBacklog, frame: WorkFrame): boolean {
    if (this.#ended || partition.paused) return false;
    partition.frames.push(frame);
    this.#schedule();
    return true;
  }

  /** Forgets the frames that no writer has begun with, and returns them. */
  dropWaiting(partition: PartitionBacklog): WorkFrame[] {
    return partition.frames.splice(0);
  }

  /** Forgets the frames whose channel is gone: they have returned to their queue. Returns them. */
  dropReturned(partition: PartitionBacklog): WorkFrame[] {
    const returned = partition.frames.filter((frame) => !frame.delivery.live());
    if (returned.length > 0) partition.frames = partition.frames.filter((frame) => frame.delivery.live());
    return returned;
  }

  /** The next batch, as soon as there is something to do; `undefined` after `end`. */
  async take(): Promise<Batch | undefined> {
    if (this.#ended) return undefined;
    return await new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#schedule();
    });
  }

  /**
   * Gives a batch's partitions back; frames that could not be done come first again, in order. Returns those that are
   * not wanted any more, because they have returned to their queue or will.
   */
  release(batch: Batch, notDone: ReadonlySet<WorkFrame>, setAsideMs: number): WorkFrame[] {
    this.#end(batch);
    const forgotten: WorkFrame[] = [];
    for (const partition of batch.partitions) {
      partition.busy = false;
      if (notDone.size === 0) continue;
      const own = batch.frames.filter((frame) => frame.key === partition.key && notDone.has(frame));
      if (own.length === 0) continue;
      const wanted = this.#ended || partition.paused ? [] : own.filter(({ delivery }) => delivery.live());
      forgotten.push(...own.filter((frame) => !wanted.includes(frame)));
      partition.frames = [...wanted, ...partition.frames];
      partition.notBeforeMs = performance.now() + setAsideMs;
    }
    this.#schedule();
    return forgotten;
  }

  /** A batch has come to wait for something, for however long: others need not wait for it. */
  stalled(batch: Batch): void {
    this.#end(batch);
    this.#schedule();
  }

  #end(batch: Batch): void {
    this.#underWay.delete(batch);
    if (this.#alone === batch) this.#alone = undefined;
  }

  /**
   * Gives out nothing any more. What waits is forgotten, and what still comes is not taken: it returns to its queue,
   * in order, when the channels close.
   */
  end(): void {
    this.#ended = true;
    clearTimeout(this.#timer);
    for (const partition of this.#partitions) partition.frames = [];
    for (const give of this.#waiting.splice(0)) give(undefined);
  }

  /** Serves the waiting writers after this turn, in which more of the same network read may still arrive. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#serve();
    });
  }

  #serve(): void {
    clearTimeout(this.#timer);
    const now = performance.now();
    while (this.#waiting.length > 0 && this.#alone === undefined) {
      const waiting = this.#partitions.filter(
        ({ busy, paused, frames }) => !busy && !paused && frames.length > 0,
      );
      const ready = waiting.filter(({ notBeforeMs }) => notBeforeMs <= now);
      if (ready.length === 0) {
        if (waiting.length > 0) this.#serveLater(Math.min(...waiting.map((p) => p.notBeforeMs)) - now);
        return;
      }
      const suspected = ready.find(({ frames }) => frames[0]?.suspect === true);
      if (suspected !== undefined) {
        if (this.#underWay.size > 0) return;
        this.#alone = this.#gatherSuspects(suspected);
        this.#waiting.shift()?.(this.#alone);
        return;
      }
      const share = Math.ceil(ready.length / this.#waiting.length);
      this.#nextFirst += share;
      const chosen = Array.from({ length: share }, (_, i) => ready[(this.#nextFirst + i) % ready.length]);
      this.#waiting.shift()?.(this.#gather(chosen.filter((partition) => partition !== undefined)));
    }
  }

  #serveLater(delayMs: number): void {
    this.#timer = setTimeout(() => this.#serve(), Math.max(1, delayMs));
  }

  /** Takes one frame of each partition in turn until the batch is full, so that none starves. */
  #gather(partitions: PartitionBacklog[]): Batch {
    const { batchCommandsMax, batchBytesMax, decoding } = this.#options;
    const frames: WorkFrame[] = [];
    let commands = 0;
    let bytes = 0;
    const taken = partitions.map(() => 0);
    for (let progress = true; progress && commands < batchCommandsMax && bytes < batchBytesMax; ) {
      progress = false;
      for (const [index, partition] of partitions.entries()) {
        const frame = partition.frames[taken[index] ?? 0];
        if (frame === undefined || frame.suspect) continue;
        if (commands >= batchCommandsMax || bytes >= batchBytesMax) continue;
        frame.decode(decoding);
        frames.push(frame);
        commands += frame.commandCount;
        bytes += frame.delivery.body.length;
        taken[index] = (taken[index] ?? 0) + 1;
        progress = true;
      }
    }
    const used = partitions.filter((partition, index) => {
      const count = taken[index] ?? 0;
      if (count > 0) partition.frames.splice(0, count);
      return count > 0;
    });
    return this.#give(used, frames, false);
  }

  /** Takes the first frames of the partition as long as they are suspects that may be together. */
  #gatherSuspects(partition: PartitionBacklog): Batch {
    const { batchBytesMax } = this.#options;
    let count = 0;
    let bytes = 0;
    for (const frame of partition.frames) {
      if (!frame.suspect || count === SUSPECTS_TOGETHER_MAX || bytes >= batchBytesMax) break;
      if (frame.alone && count > 0) break;
      count += 1;
      bytes += frame.delivery.body.length;
      if (frame.alone) break;
    }
    return this.#give([partition], partition.frames.splice(0, count), true);
  }

  #give(partitions: PartitionBacklog[], frames: WorkFrame[], suspects: boolean): Batch {
    for (const partition of partitions) partition.busy = true;
    const batch = { partitions, frames, suspects };
    this.#underWay.add(batch);
    return batch;
  }
}
