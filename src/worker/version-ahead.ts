/**
 * Warns about versions far ahead of the clock. They are applied all the same, but no ordinary save of the object comes
 * after one until the clock has caught up: a node whose clock is wrong, or seconds taken for microseconds.
 */
import type { Logger } from '../telemetry/logger.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { WorkFrame } from './work-frame.ts';

/** At most one line in so long: a wrong clock means thousands of such commands. */
const WARN_INTERVAL_MS = 10_000;

export class VersionAhead {
  readonly #aheadMsMax: number;
  readonly #metrics: Metrics;
  readonly #logger: Logger;
  #warnedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: { versionAheadWarnMs: number; metrics: Metrics; logger: Logger }) {
    this.#aheadMsMax = options.versionAheadWarnMs;
    this.#metrics = options.metrics;
    this.#logger = options.logger;
  }

  /** Looks at the writes of frames that have just been decoded. */
  look(frames: readonly WorkFrame[]): void {
    const now = Date.now();
    const limit = (now + this.#aheadMsMax) * 1_000;
    for (const { entries, delivery } of frames) {
      for (const { item } of entries) {
        if (item === undefined || item.command.action === 'load' || item.command.version <= limit) continue;
        this.#metrics.versionsAhead.inc();
        if (performance.now() - this.#warnedAtMs < WARN_INTERVAL_MS) continue;
        this.#warnedAtMs = performance.now();
        const { id: objectId, version } = item.command;
        const aheadMs = Math.round(version / 1_000 - now);
        this.#logger.warn(
          { objectId, version, aheadMs, messageId: delivery.messageId },
          'a version is far ahead of the clock',
        );
      }
    }
  }
}
