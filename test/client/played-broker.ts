/** A broker that does with each frame what a test says: confirms, refuses, returns, or breaks off. */
import type { PublishProperties, PublishResult } from '../../src/broker/confirming-publisher.ts';
import { decodeFrame } from '../../src/contract/frame.ts';

/** What the broker does with a frame. `lost` and `kept` both look `unknown` from outside. */
export type Fate = 'confirmed' | 'refused' | 'returned' | 'lost' | 'kept';

interface Published {
  readonly body: Buffer;
  readonly type: unknown;
  readonly messageId: string;
  readonly settle: (result: PublishResult) => void;
}

/** A broker with one queue. */
export class PlayedBroker {
  up = true;
  replyQueue = 'replies';
  /** Document numbers in the order in which the queue took them. */
  readonly taken: number[] = [];
  readonly sizes: number[] = [];
  /** Of all frames that were sent. */
  readonly sentIds = new Set<string>();
  /** Of the frames that it took. */
  readonly messageIds: string[] = [];
  #onItsWay: Published[] = [];

  get onItsWay(): number {
    return this.#onItsWay.length;
  }

  publish(
    _exchange: string,
    _key: string,
    body: Buffer,
    { type, messageId = '' }: PublishProperties,
  ): Promise<PublishResult> {
    this.sentIds.add(messageId);
    return new Promise((settle) => {
      this.#onItsWay.push({ body: Buffer.from(body), type, messageId, settle });
    });
  }

  /** Decides about one of the frames on their way, not always the oldest: confirms come in any order. */
  decide(fate: Fate, which = 0): void {
    const [frame] = this.#onItsWay.splice(which % Math.max(1, this.#onItsWay.length), 1);
    if (frame === undefined) return;
    if (fate === 'confirmed' || fate === 'kept') this.#take(frame);
    frame.settle(fate === 'lost' || fate === 'kept' ? 'unknown' : fate);
  }

  /** The connection ends: of what is on its way the queue took the first `kept` frames, and no reply will come. */
  break(kept: number): void {
    this.up = false;
    this.replyQueue = `replies-${this.taken.length}`;
    for (const [index, frame] of this.#onItsWay.splice(0).entries()) {
      if (index < kept) this.#take(frame);
      frame.settle('unknown');
    }
  }

  #take({ body, type, messageId }: Published): void {
    const entries = decodeFrame(type, body, { place: 'partition' });
    this.sizes.push(entries.length);
    this.messageIds.push(messageId);
    for (const { documentStart, documentEnd } of entries) {
      const { n } = JSON.parse(body.toString('utf8', documentStart, documentEnd)) as { n: number };
      this.taken.push(n);
    }
  }
}
