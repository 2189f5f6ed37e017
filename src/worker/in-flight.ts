/**
 * How much is in memory, and how much RabbitMQ may send ahead.
 *
 * Prefetch counts frames, not bytes, and is fixed when a channel subscribes; a frame has 100 bytes or a million. So
 * each subscription asks for as many frames of the mean size as fit, and a partition that was subscribed with too many
 * gives its queue back, once, when the memory is used up.
 */
import type { WorkFrame } from './work-frame.ts';

export interface InFlightOptions {
  readonly inFlightBytesMax: number;
  readonly prefetchFramesMax: number;
  readonly partitionCount: number;
}

/** What frames are taken for before the first has come: between a single command and what the client packs. */
const FRAME_BYTES_GUESS = 65_536;
/** How much one frame counts in the running mean. */
const MEAN_WEIGHT = 0.05;
/** Fewer would leave a writer idle between a batch and the next. */
const PREFETCH_FRAMES_MIN = 2;

export class InFlight {
  readonly #options: InFlightOptions;
  /** In the order of arrival. */
  readonly #frames = new Set<WorkFrame>();
  #bytes = 0;
  #meanBytes = FRAME_BYTES_GUESS;

  constructor(options: InFlightOptions) {
    this.#options = options;
  }

  get frameCount(): number {
    return this.#frames.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** How long ago the oldest frame arrived that is not done with, in milliseconds; 0 if there is none. */
  get oldestAgeMs(): number {
    for (const { delivery } of this.#frames) return performance.now() - delivery.receivedAt;
    return 0;
  }

  /** Frames to ask for at a subscription. */
  get prefetchFrames(): number {
    const { inFlightBytesMax, partitionCount, prefetchFramesMax } = this.#options;
    const fitting = Math.floor(inFlightBytesMax / partitionCount / this.#meanBytes);
    return Math.max(PREFETCH_FRAMES_MIN, Math.min(prefetchFramesMax, fitting));
  }

  /** Whether more is in memory than may be. */
  get exceeded(): boolean {
    return this.#bytes > this.#options.inFlightBytesMax;
  }

  add(frame: WorkFrame): void {
    const bytes = frame.delivery.body.length;
    this.#frames.add(frame);
    this.#bytes += bytes;
    this.#meanBytes += MEAN_WEIGHT * (bytes - this.#meanBytes);
  }

  /** The frame is settled, or has returned to its queue. Safe twice. */
  remove(frame: WorkFrame): void {
    if (this.#frames.delete(frame)) this.#bytes -= frame.delivery.body.length;
  }
}
