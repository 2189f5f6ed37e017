/**
 * Sends the commands of one routing key in order: those of a partition, or the unordered loads.
 *
 * While frames are on their way, commands gather; whenever one fewer is on its way, all that gathered goes into the next
 * (natural batching). No timer: with nothing on its way, a command goes out in the next turn of the event loop.
 *
 * A frame: packed -> on its way -> confirmed, failed, or to be sent again -> on its way ... Frames to be sent again go
 * before anything newer, in their old order. Two frames on their way never share an object: the broker may refuse the
 * first and take the second, and then the order of that object would be lost.
 */
import { backoffMs } from '../broker/backoff.ts';
import type { PublishProperties, PublishResult } from '../broker/confirming-publisher.ts';
import {
  COMMANDS_TYPE,
  NDJSON_CONTENT_TYPE,
  REPLY_MODE_HEADER,
  REPLY_MODE_UNAPPLIED,
} from '../contract/names.ts';
import { correlationId } from './correlation.ts';
import { Fifo } from './fifo.ts';
import { type FrameLimits, packCommands } from './frame-packer.ts';
import { LineBuffer } from './line-buffer.ts';
import type { Link } from './link.ts';
import type { Outgoing } from './outgoing.ts';
import { OutgoingFrame } from './outgoing-frame.ts';

export interface Route {
  readonly exchange: string;
  readonly routingKey: string;
  /** Of a partition: kept by the broker, and in order. Otherwise loads, which are neither. */
  readonly ordered: boolean;
}

export interface SenderLimits extends FrameLimits {
  readonly framesInFlightMax: number;
  readonly retryDelayMsMin: number;
  readonly retryDelayMsMax: number;
}

/** What a sender needs to know of the link. */
export type SenderLink = Pick<Link, 'up' | 'replyQueue' | 'publish'>;

/** Told what becomes of frames and commands. None of these throws. */
export interface SenderEvents {
  /** Asks for `pump` in the next turn of the event loop. */
  readonly onWork: (sender: FrameSender) => void;
  /** A confirmed frame is about to be sent again for the answers that it lacks. */
  readonly onResending: (frame: OutgoingFrame) => void;
  /** About to be sent: its reply may come from now on. */
  readonly onSending: (frame: OutgoingFrame) => void;
  readonly onConfirmed: (frame: OutgoingFrame) => void;
  /** No queue takes it. */
  readonly onReturned: (frame: OutgoingFrame) => void;
  /** The broker does not take a frame now; `isFirst` if it took the one before. */
  readonly onRefused: (isFirst: boolean) => void;
  /** A frame is not sent again, since all its commands were settled meanwhile. */
  readonly onAbandoned: (frame: OutgoingFrame) => void;
}

/** Settled commands are taken off the queue when they are this many and half of all. */
const SWEEP_AT = 1_024;

export class FrameSender {
  readonly route: Route;
  /** For the lines of its commands, in the order in which they are handed over. */
  readonly lines = new LineBuffer();
  readonly #link: SenderLink;
  readonly #node: string;
  readonly #limits: SenderLimits;
  readonly #events: SenderEvents;
  readonly #queue = new Fifo<Outgoing>();
  readonly #inFlight = new Set<OutgoingFrame>();
  /** In the order of their sequence. */
  #toResend: OutgoingFrame[] = [];
  #sequence = 0;
  #abandoned = 0;
  #refusals = 0;
  #pause: NodeJS.Timeout | undefined;
  /** Set while the sender waits for its turn; only for the one who gives the turns. */
  scheduled = false;

  constructor(route: Route, link: SenderLink, node: string, limits: SenderLimits, events: SenderEvents) {
    this.route = route;
    this.#link = link;
    this.#node = node;
    this.#limits = limits;
    this.#events = events;
  }

  get framesInFlight(): number {
    return this.#inFlight.size;
  }

  push(command: Outgoing): void {
    this.#queue.push(command);
    if (!this.scheduled) this.#events.onWork(this);
  }

  /** Sends what may be sent now. */
  pump(): void {
    while (
      this.#link.up &&
      this.#pause === undefined &&
      this.#inFlight.size < this.#limits.framesInFlightMax
    ) {
      const frame = this.#nextToResend() ?? this.#nextPacked();
      if (frame === undefined) return;
      this.#send(frame);
    }
  }

  /** Sends a frame again, before anything newer, if somebody still waits for it. */
  resend(frame: OutgoingFrame): void {
    if (frame.unsettled === 0 && !frame.answered) {
      this.#events.onAbandoned(frame);
      return;
    }
    frame.place = 'to resend';
    let at = this.#toResend.length;
    while (at > 0 && (this.#toResend[at - 1]?.sequence ?? 0) > frame.sequence) at -= 1;
    this.#toResend.splice(at, 0, frame);
    this.#events.onWork(this);
  }

  /** A command that was handed over, and is in no frame yet, was settled. What is left of it takes no room. */
  abandon(): void {
    this.#abandoned += 1;
    if (this.#abandoned < SWEEP_AT || this.#abandoned * 2 < this.#queue.size) return;
    this.#abandoned = 0;
    this.#queue.take(({ settled }) => settled);
  }

  /** All commands of a frame that waits to be sent again were settled. */
  abandonFrame(frame: OutgoingFrame): void {
    const at = this.#toResend.indexOf(frame);
    if (at >= 0) this.#toResend.splice(at, 1);
    frame.place = 'nowhere';
    this.#events.onAbandoned(frame);
    // What is behind it may go now.
    this.#events.onWork(this);
  }

  /** The frames that are to be sent again; the sender forgets them. */
  takeToResend(): OutgoingFrame[] {
    const frames = this.#toResend;
    this.#toResend = [];
    for (const frame of frames) frame.place = 'nowhere';
    return frames;
  }

  /** Ends for ever. Returns every command that it held and that is not settled. */
  close(): Outgoing[] {
    clearTimeout(this.#pause);
    const frames = [...this.#inFlight, ...this.#toResend];
    this.#inFlight.clear();
    this.#toResend = [];
    const commands = [...frames.flatMap((frame) => frame.commands), ...this.#queue.take(() => true)];
    return commands.filter(({ settled }) => !settled);
  }

  #nextToResend(): OutgoingFrame | undefined {
    for (;;) {
      const [frame] = this.#toResend;
      if (frame === undefined) return undefined;
      // Its reply came in the meantime, and says more than a confirm.
      if (frame.answered && !frame.confirmed) {
        this.#toResend.shift();
        this.#noteConfirmed(frame);
        continue;
      }
      if (frame.unsettled === 0) {
        this.#toResend.shift();
        frame.place = 'nowhere';
        this.#events.onAbandoned(frame);
        continue;
      }
      if (this.#overlaps(frame)) return undefined;
      this.#toResend.shift();
      if (frame.confirmed) this.#events.onResending(frame);
      return frame;
    }
  }

  #nextPacked(): OutgoingFrame | undefined {
    if (this.#toResend.length > 0) return undefined;
    const blocking = this.route.ordered ? [...this.#inFlight].map(({ ids }) => ids) : [];
    const commands = packCommands(
      this.#queue,
      this.#limits,
      ({ id }) => blocking.some((ids) => ids.has(id)),
      () => {
        this.#abandoned -= 1;
      },
    );
    if (commands.length === 0) return undefined;
    this.#sequence += 1;
    return new OutgoingFrame(this, this.#sequence, commands);
  }

  #overlaps(frame: OutgoingFrame): boolean {
    if (!this.route.ordered) return false;
    for (const { ids } of this.#inFlight) {
      for (const { id } of frame.commands) if (ids.has(id)) return true;
    }
    return false;
  }

  #send(frame: OutgoingFrame): void {
    frame.attempts += 1;
    frame.replyLost = false;
    frame.replyQueue = this.#link.replyQueue;
    frame.place = 'in flight';
    this.#inFlight.add(frame);
    this.#events.onSending(frame);
    const { exchange, routingKey } = this.route;
    void this.#link
      .publish(exchange, routingKey, frame.body(), this.#properties(frame))
      .then((result) => this.#settle(frame, result));
  }

  #properties(frame: OutgoingFrame): PublishProperties {
    const { messageId, attempts, replyQueue = '' } = frame;
    const mode = frame.wantsAnswers ? 'answers' : 'failures';
    const now = Date.now();
    return {
      type: COMMANDS_TYPE,
      contentType: NDJSON_CONTENT_TYPE,
      persistent: this.route.ordered,
      messageId,
      correlationId: correlationId({ mode, attempt: attempts, messageId }),
      replyTo: replyQueue,
      timestamp: Math.floor(now / 1_000),
      appId: this.#node,
      ...(mode === 'failures' ? { headers: { [REPLY_MODE_HEADER]: REPLY_MODE_UNAPPLIED } } : {}),
      ...(this.route.ordered ? {} : { expiration: Math.max(1, latestDeadline(frame) - now) }),
    };
  }

  #settle(frame: OutgoingFrame, result: PublishResult | 'unsent'): void {
    // Closed meanwhile.
    if (!this.#inFlight.delete(frame)) return;
    frame.place = 'nowhere';
    this.#events.onWork(this);
    if (result === 'confirmed') {
      this.#refusals = 0;
      this.#noteConfirmed(frame);
      return;
    }
    if (result === 'returned') {
      this.#events.onReturned(frame);
      return;
    }
    if (result === 'unknown') {
      frame.uncertain = true;
    } else {
      if (result === 'unsent') frame.attempts -= 1;
      else this.#events.onRefused(this.#refusals === 0);
      this.#pauseAfterRefusal();
    }
    this.resend(frame);
  }

  #noteConfirmed(frame: OutgoingFrame): void {
    frame.place = 'nowhere';
    frame.confirmed = true;
    frame.uncertain = true;
    this.#events.onConfirmed(frame);
  }

  #pauseAfterRefusal(): void {
    if (this.#pause !== undefined) return;
    const { retryDelayMsMin, retryDelayMsMax } = this.#limits;
    this.#pause = setTimeout(
      () => {
        this.#pause = undefined;
        this.#events.onWork(this);
      },
      backoffMs(this.#refusals, retryDelayMsMin, retryDelayMsMax),
    );
    this.#refusals += 1;
  }
}

function latestDeadline(frame: OutgoingFrame): number {
  return frame.commands.reduce((latest, { deadline = 0 }) => Math.max(latest, deadline), 0);
}
