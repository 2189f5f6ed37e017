/** A frame on its way: packed once, sent until its fate is known, kept while answers are due. */
import { v7 as uuidV7 } from 'uuid';
import type { FrameSender } from './frame-sender.ts';
import { detachLines, joinLines } from './line-buffer.ts';
import type { Outgoing } from './outgoing.ts';

export class OutgoingFrame {
  readonly sender: FrameSender;
  /** Order among the frames of one sender. */
  readonly sequence: number;
  /** The same each time the same commands are sent: a worker's dead letters are named after it. */
  messageId = uuidV7();
  /** In the order in which they stand in the frame; after the confirm only those whose answer is due. */
  commands: readonly Outgoing[];
  /** How many commands were packed: as many lines are in its reply. */
  count: number;
  /** Whether an answer to any of its commands is wanted. */
  readonly wantsAnswers: boolean;
  /** Whether a write is among those, whose late failure somebody should hear of. */
  readonly awaitsWrites: boolean;
  /** Places whose found line is followed by a document; kept when the commands are forgotten. */
  #documentPositions: ReadonlySet<number> | undefined;
  /** A list that asked for documents: each of its lines is followed by one. */
  readonly #listsDocuments: boolean;
  /** Awaited commands that are not settled. */
  open: number;
  /** Commands that are not settled, awaited or not. */
  unsettled: number;
  /** How often it was sent. */
  attempts = 0;
  /** Where its sender keeps it: nowhere if it is confirmed or failed. */
  place: 'nowhere' | 'in flight' | 'to resend' = 'nowhere';
  /** Whether the broker has confirmed it, now or in an earlier attempt. */
  confirmed = false;
  /** Whether its reply came, which proves that it reached a worker. */
  answered = false;
  /** Whether a part of the reply to the last attempt was missed. */
  replyLost = false;
  /** Whether its reply was more than could be held. */
  replyTooLarge = false;
  /** Whether an attempt may have reached its queue; if not, it certainly did not. */
  uncertain = false;
  /** Where the replies of the last attempt go. */
  replyQueue: string | undefined;
  #ids: ReadonlySet<string> | undefined;
  #detached = false;

  constructor(sender: FrameSender, sequence: number, commands: readonly Outgoing[]) {
    this.sender = sender;
    this.sequence = sequence;
    this.commands = commands;
    this.count = commands.length;
    let open = 0;
    let awaitsWrites = false;
    for (const [position, command] of commands.entries()) {
      command.frame = this;
      command.position = position;
      if (command.wants !== 'answer') continue;
      open += 1;
      if (command.isWrite) awaitsWrites = true;
    }
    this.open = open;
    this.unsettled = commands.length;
    this.wantsAnswers = open > 0;
    this.awaitsWrites = awaitsWrites;
    this.#documentPositions = open > 0 ? documentPositions(commands) : undefined;
    this.#listsDocuments = commands[0]?.action === 'list' && commands[0].expectsDocument;
  }

  /** The objects of its commands. */
  get ids(): ReadonlySet<string> {
    this.#ids ??= new Set(this.commands.map(({ id }) => id));
    return this.#ids;
  }

  /** Whether the found line at this place of the reply is followed by a document. */
  isDocumentDue(position: number): boolean {
    return this.#listsDocuments || this.#documentPositions?.has(position) === true;
  }

  get bytes(): number {
    return this.commands.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  body(): Buffer {
    return joinLines(this.commands);
  }

  /** Forgets the commands that are done with, after the confirm. What is left keeps its place for the reply. */
  keepOpen(): void {
    if (this.commands.some((command) => command.settled)) {
      this.commands = this.commands.filter((command) => !command.settled);
      this.#ids = undefined;
    }
    if (!this.#detached) detachLines(this.commands);
    this.#detached = true;
  }

  /** Frames of half of what is open each, in its place, to be sent for the answers; this one is done with. */
  halves(): OutgoingFrame[] {
    const open = this.commands.filter((command) => !command.settled);
    const middle = Math.ceil(open.length / 2);
    return [open.slice(0, middle), open.slice(middle)]
      .filter((commands) => commands.length > 0)
      .map((commands) => {
        const half = new OutgoingFrame(this.sender, this.sequence, commands);
        half.attempts = this.attempts;
        half.confirmed = true;
        half.uncertain = true;
        return half;
      });
  }

  /**
   * Makes a confirmed frame ready to be sent again: with the commands that are still open, under the same message id if
   * these are all that it had.
   */
  recompose(): void {
    this.keepOpen();
    if (this.commands.length === this.count) return;
    this.messageId = uuidV7();
    this.count = this.commands.length;
    for (const [position, command] of this.commands.entries()) command.position = position;
    this.#documentPositions = documentPositions(this.commands);
  }
}

function documentPositions(commands: readonly Outgoing[]): ReadonlySet<number> | undefined {
  const positions = commands.flatMap((command, position) => (command.expectsDocument ? [position] : []));
  return positions.length === 0 ? undefined : new Set(positions);
}
