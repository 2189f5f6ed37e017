/** Sends replies to the requesters' queues. */
import { randomUUID } from 'node:crypto';
import type { ConfirmingPublisher, PublishResult } from '../broker/confirming-publisher.ts';
import type { Delivery } from '../broker/queue-consumer.ts';
import type { ReplyPublisher } from '../broker/reply-publisher.ts';
import {
  NDJSON_CONTENT_TYPE,
  REPLIES_TYPE,
  REPLY_LAST_HEADER,
  REPLY_MODE_FAILURES,
  REPLY_MODE_HEADER,
  REPLY_PART_HEADER,
} from '../contract/names.ts';
import { encodeReply, isFailure, type ReplyItem } from '../contract/reply.ts';
import type { Metrics } from '../telemetry/metrics.ts';

export interface ReplySenderOptions {
  readonly replies: ReplyPublisher;
  /** For replies that must not be missed. */
  readonly confirming: ConfirmingPublisher;
  /** What every reply queue begins with. */
  readonly repliesPrefix: string;
  readonly workerName: string;
  readonly metrics: Metrics;
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

  /** Sends what the frame wants to hear; does nothing if that is nothing. */
  async send(delivery: Delivery, items: readonly ReplyItem[]): Promise<void> {
    const { replyTo } = delivery;
    if (replyTo === undefined) return;
    if (!this.isUsable(delivery)) {
      this.#options.metrics.repliesIgnored.inc();
      return;
    }
    for (const [body, properties] of this.#messages(delivery, items)) {
      if (!(await this.#options.replies.send(replyTo, body, properties))) return;
      this.#options.metrics.replies.inc();
    }
  }

  /**
   * As `send`, but finds out whether the requester is still there.
   *
   * @returns whether its queue took the whole reply.
   */
  async sendConfirmed(delivery: Delivery, items: readonly ReplyItem[]): Promise<boolean> {
    const { replyTo = '' } = delivery;
    for (const [body, properties] of this.#messages(delivery, items)) {
      if ((await this.#publish(replyTo, body, properties)) !== 'confirmed') return false;
      this.#options.metrics.replies.inc();
    }
    return true;
  }

  async #publish(
    queue: string,
    body: Buffer,
    properties: Record<string, unknown>,
  ): Promise<PublishResult | undefined> {
    try {
      return await this.#options.confirming.publish('', queue, body, {
        ...properties,
        messageId: randomUUID(),
      });
    } catch {
      // No open channel, so nothing was sent.
      return undefined;
    }
  }

  *#messages(delivery: Delivery, items: readonly ReplyItem[]): Generator<[Buffer, Record<string, unknown>]> {
    const failuresOnly = delivery.headers[REPLY_MODE_HEADER] === REPLY_MODE_FAILURES;
    const wanted = failuresOnly ? items.filter(isAlwaysAnswered) : items;
    // A list that found nothing has no items at all, and is answered.
    if (failuresOnly && wanted.length === 0 && items.length > 0) return;
    const parts = encodeReply(wanted);
    for (const [part, body] of parts.entries()) {
      yield [
        body,
        {
          type: REPLIES_TYPE,
          contentType: NDJSON_CONTENT_TYPE,
          appId: this.#options.workerName,
          persistent: false,
          ...(delivery.correlationId === undefined ? {} : { correlationId: delivery.correlationId }),
          headers: { [REPLY_PART_HEADER]: part, [REPLY_LAST_HEADER]: part === parts.length - 1 },
        },
      ];
    }
  }
}

/** Failures and loads; successful writes are what `holdfast-reply: failures` leaves out. */
function isAlwaysAnswered({ line: { outcome } }: ReplyItem): boolean {
  return isFailure(outcome) || outcome === 'found' || outcome === 'absent';
}
