/** Sends replies to the requesters' queues. */
import { randomUUID } from 'node:crypto';
import { backoffMs, pause } from '../broker/backoff.ts';
import type { ConfirmingPublisher, PublishResult } from '../broker/confirming-publisher.ts';
import type { Delivery } from '../broker/queue-consumer.ts';
import {
  NDJSON_CONTENT_TYPE,
  REPLIES_TYPE,
  REPLY_LAST_HEADER,
  REPLY_MODE_FAILURES,
  REPLY_MODE_HEADER,
  REPLY_MODE_UNAPPLIED,
  REPLY_PART_HEADER,
} from '../contract/names.ts';
import { encodeReply, isFailure } from '../contract/reply.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Answer } from './work-frame.ts';
import { StoppedError } from './write-retry.ts';

export interface ReplySenderOptions {
  readonly confirming: ConfirmingPublisher;
  /** What every reply queue begins with. */
  readonly repliesPrefix: string;
  readonly workerName: string;
  readonly metrics: Metrics;
  readonly retryDelayMsMin: number;
  readonly retryDelayMsMax: number;
  /** Aborts when the drain deadline has passed. */
  readonly signal: AbortSignal;
}

/** Where what is sent is not the whole reply. */
export interface SendExtent {
  /** Parts that went before. */
  readonly partsBefore?: number;
  /** Whether nothing follows. */
  readonly isLast?: boolean;
  /** Told of each part that the broker has. */
  readonly onPart?: () => void;
}

export class ReplySender {
  readonly #options: ReplySenderOptions;

  constructor(options: ReplySenderOptions) {
    this.#options = options;
  }

  /**
   * Whether a frame names a queue that replies may go to: one of ours. Any other is ignored, or every publisher could
   * steer workers into any queue.
   */
  isUsable({ replyTo }: Delivery): boolean {
    return replyTo !== undefined && replyTo.startsWith(this.#options.repliesPrefix);
  }

  /** Whether there is nothing to send: nobody is to hear of it, or not of outcomes like these. */
  isSilent(delivery: Delivery, items: readonly Answer[]): boolean {
    if (delivery.replyTo === undefined) return true;
    return this.isUsable(delivery) && isNothing(wantedOf(delivery, items), items);
  }

  /**
   * Sends what the frame wants to hear; does nothing if that is nothing. Resolves when the broker has the whole reply, so
   * that a frame which is acked behind it has been answered.
   *
   * @returns whether the requester's queue took it; not if there is none.
   * @throws StoppedError if the worker stops before it is known.
   */
  async send(
    delivery: Delivery,
    items: readonly Answer[],
    { partsBefore = 0, isLast = true, onPart }: SendExtent = {},
  ): Promise<boolean> {
    const { replyTo } = delivery;
    if (replyTo === undefined) return false;
    if (!this.isUsable(delivery)) {
      this.#options.metrics.repliesIgnored.inc();
      return false;
    }
    const bodies = this.#bodies(delivery, items);
    for (const [index, body] of bodies.entries()) {
      const part = partsBefore + index;
      // Before anybody hears of it, so that who has a reply finds it counted.
      if (part === 0) this.#options.metrics.replies.inc();
      const properties = this.#properties(delivery, part, isLast && index === bodies.length - 1);
      if (!(await this.#publish(replyTo, body, properties, delivery))) return false;
      onPart?.();
    }
    return true;
  }

  /** Publishes one part, again if it is not known whether it arrived: a requester knows a part that it has. */
  async #publish(
    queue: string,
    body: Buffer,
    properties: Record<string, unknown>,
    delivery: Delivery,
  ): Promise<boolean> {
    const { confirming, signal, retryDelayMsMin, retryDelayMsMax } = this.#options;
    for (let retry = 0; ; retry += 1) {
      const result = await attempt(() =>
        confirming.publish('', queue, body, { ...properties, messageId: randomUUID() }),
      );
      if (result === 'confirmed') return true;
      // Nobody is there any more, or has room; or the frame has returned to its queue, and is answered when it comes again.
      if (result === 'returned' || result === 'refused' || !delivery.live()) return false;
      await pause(backoffMs(retry, retryDelayMsMin, retryDelayMsMax), signal);
      if (signal.aborted) throw new StoppedError('the worker was stopped before a reply was confirmed');
    }
  }

  /** The parts of a reply; none if nothing of it is wanted. */
  #bodies(delivery: Delivery, items: readonly Answer[]): Buffer[] {
    const wanted = wantedOf(delivery, items);
    return isNothing(wanted, items) ? [] : encodeReply(wanted);
  }

  #properties({ correlationId }: Delivery, part: number, isLast: boolean): Record<string, unknown> {
    return {
      type: REPLIES_TYPE,
      contentType: NDJSON_CONTENT_TYPE,
      appId: this.#options.workerName,
      persistent: false,
      ...(correlationId === undefined ? {} : { correlationId }),
      headers: { [REPLY_PART_HEADER]: part, [REPLY_LAST_HEADER]: isLast },
    };
  }
}

/** Failures and loads; successful writes are what `holdfast-reply: failures` leaves out. */
function isAlwaysAnswered({ line: { outcome } }: Answer): boolean {
  return isFailure(outcome) || outcome === 'found' || outcome === 'absent';
}

/** Also what was superseded by somebody else's version. */
function isUnapplied(answer: Answer): boolean {
  return isAlwaysAnswered(answer) || (answer.line.outcome === 'superseded' && answer.known !== true);
}

/** What is answered, by the value of the header; all of it for one that is not known. */
const WANTED: ReadonlyMap<unknown, (answer: Answer) => boolean> = new Map([
  [REPLY_MODE_FAILURES, isAlwaysAnswered],
  [REPLY_MODE_UNAPPLIED, isUnapplied],
]);

function wantedOf({ headers }: Delivery, items: readonly Answer[]): readonly Answer[] {
  const isWanted = WANTED.get(headers[REPLY_MODE_HEADER]);
  return isWanted === undefined ? items : items.filter(isWanted);
}

/** A list that found nothing has no items at all, and is answered. */
function isNothing(wanted: readonly Answer[], items: readonly Answer[]): boolean {
  return wanted.length === 0 && items.length > 0;
}

/** Without an open channel nothing is sent. */
async function attempt(publish: () => Promise<PublishResult>): Promise<PublishResult | undefined> {
  try {
    return await publish();
  } catch {
    return undefined;
  }
}
