/** One command on its way: what is sent, who waits for it, and how far it has come. */
import type { Action } from '../contract/command.ts';
import type { Call } from './call.ts';
import type { Era } from './flush-barrier.ts';
import type { FrameSender } from './frame-sender.ts';
import type { Lines } from './line-buffer.ts';
import type { OutgoingFrame } from './outgoing-frame.ts';

/** With `confirm` the broker's confirm settles it, with `answer` the worker's reply does. */
export type Wants = 'confirm' | 'answer';

const NO_LINES = Buffer.alloc(0);

export class Outgoing implements Lines {
  readonly action: Action;
  /** Object id; of a list the type. */
  readonly id: string;
  readonly wants: Wants;
  readonly sender: FrameSender;
  /** The call that waits, and which of its commands this is. */
  readonly call: Call;
  readonly index: number;

  /** Its lines, as they are sent. */
  chunk: Buffer;
  start: number;
  end: number;

  /** Of a write, else 0. */
  version = 0;
  /** Of a write, else 0. */
  epoch = 0;
  ifVersion: number | undefined;
  claimId: string | undefined;
  /** Of a list: most objects in the answer. */
  limit = 0;
  /** Whether a found line is followed by a document. */
  expectsDocument = false;
  /** Unix milliseconds after which nobody waits for the answer. */
  deadline: number | undefined;

  /** Set once, when the call was told. What is settled early may still be on its way. */
  settled = false;
  /** Set while it is part of a frame, with its place among the frame's commands. */
  frame: OutgoingFrame | undefined;
  position = 0;
  /** Whether it takes up room among what is to be confirmed, and among what is to be answered. */
  holdsSending = false;
  holdsAwaiting = false;
  /** The room that it waits for. */
  waitsFor: 'awaiting' | 'sending' | undefined;
  era: Era | undefined;
  timer: NodeJS.Timeout | undefined;
  signal: AbortSignal | undefined;

  constructor(
    action: Action,
    id: string,
    wants: Wants,
    sender: FrameSender,
    { chunk, start, end }: Lines,
    call: Call,
    index: number,
  ) {
    this.action = action;
    this.id = id;
    this.wants = wants;
    this.sender = sender;
    this.chunk = chunk;
    this.start = start;
    this.end = end;
    this.call = call;
    this.index = index;
  }

  get bytes(): number {
    return this.end - this.start;
  }

  /** Lets go of its lines, which will not be sent any more; after what they take up was given back. */
  dropLines(): void {
    this.chunk = NO_LINES;
    this.start = 0;
    this.end = 0;
  }

  get isWrite(): boolean {
    return this.action === 'save' || this.action === 'delete';
  }

  /** What an error about it says. */
  get subject(): { readonly id: string | undefined; readonly version: number | undefined } {
    return {
      id: this.action === 'list' ? undefined : this.id,
      version: this.isWrite ? this.version : undefined,
    };
  }
}
