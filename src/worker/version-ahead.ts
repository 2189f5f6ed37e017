/**
 * Warns about versions far ahead of the clock. They are applied all the same, but no ordinary save of the object comes
 * after one until the clock has caught up: a node whose clock is wrong, or seconds taken for microseconds.
 */
import type { Logger } from '../telemetry/logger.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { RepeatedLine } from '../telemetry/repeated-line.ts';
import type { WorkFrame } from './work-frame.ts';

export class VersionAhead {
  readonly #aheadMsMax: number;
  readonly #metrics: Metrics;
  /** A wrong clock means thousands of such commands. */
  readonly #warning: RepeatedLine;

  constructor(options: { versionAheadWarnMs: number; metrics: Metrics; logger: Logger }) {
    this.#aheadMsMax = options.versionAheadWarnMs;
    this.#metrics = options.metrics;
    const { logger } = options;
    this.#warning = new RepeatedLine((fields) => logger.warn(fields, 'a version is far ahead of the clock'));
  }

  /** Looks at the writes of frames that have just been decoded. */
  look(frames: readonly WorkFrame[]): void {
    const now = Date.now();
    const limit = (now + this.#aheadMsMax) * 1_000;
    for (const { entries, delivery } of frames) {
      for (const { item } of entries) {
        if (item === undefined || item.command.action === 'load' || item.command.version <= limit) continue;
        this.#metrics.versionsAhead.inc();
        const { id: objectId, version } = item.command;
        const aheadMs = Math.round(version / 1_000 - now);
        this.#warning.log({ objectId, version, aheadMs, messageId: delivery.messageId });
      }
    }
  }
}
