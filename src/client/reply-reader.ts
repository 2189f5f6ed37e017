/** Replies in, outcomes out: finds the frame of a reply, puts its parts together, and gives each line to its command. */
import type { Reply } from '../broker/reply-consumer.ts';
import { REPLIES_TYPE } from '../contract/names.ts';
import { decodeReply, type ReplyItem, type ReplyLine } from '../contract/reply.ts';
import { ClientError } from './client-error.ts';
import { answerOf, type CommandAnswer, listAnswerOf, outcomeError, unreadable } from './command-answer.ts';
import { type Correlation, readCorrelationId } from './correlation.ts';
import type { Dispatcher } from './dispatcher.ts';
import { type Failure, failureOf } from './failure.ts';
import type { Outgoing } from './outgoing.ts';
import type { OutgoingFrame } from './outgoing-frame.ts';
import { ReplyAssembly } from './reply-assembly.ts';

export interface ReplyReaderOptions {
  readonly dispatcher: Dispatcher;
  readonly replyBytesMax: number;
  /** A stored version became known. */
  readonly onVersion: (id: string, version: number) => void;
  /** A claim that somebody waits for was given an epoch. */
  readonly onClaimed: (id: string, epoch: number) => void;
  /** A command failed that nobody waits for. */
  readonly onFailure: (failure: Failure) => void;
  /** A reply is not what the contract says. */
  readonly onUnreadable: (reason: string, error?: unknown) => void;
}

export class ReplyReader {
  readonly #options: ReplyReaderOptions;
  readonly #assembly: ReplyAssembly;

  constructor(options: ReplyReaderOptions) {
    this.#options = options;
    this.#assembly = new ReplyAssembly(options.replyBytesMax);
  }

  read(reply: Reply): void {
    const correlation = readCorrelationId(reply.correlationId);
    if (reply.type !== REPLIES_TYPE || correlation === undefined) {
      this.#options.onUnreadable('a message in the queue of replies is none to a frame of this client');
    } else if (correlation.mode === 'failures') {
      this.#readFailures(reply.body, correlation.attempt > 1);
    } else {
      this.#readAnswers(reply, correlation);
    }
  }

  /** The queue of replies is gone, with the rest of what was begun. */
  clear(): void {
    this.#assembly.clear();
  }

  /** Lines without documents, so every part can be read by itself. */
  #readFailures(body: Buffer, resent: boolean): void {
    let items: ReplyItem[];
    try {
      items = decodeReply(body, () => false);
    } catch (error) {
      this.#options.onUnreadable('a reply is unreadable', error);
      return;
    }
    for (const { line } of items) {
      if (line.id !== undefined && line.version !== undefined) this.#options.onVersion(line.id, line.version);
      this.#unheard(line, resent);
    }
  }

  #readAnswers(reply: Reply, { messageId, attempt }: Correlation): void {
    const { dispatcher, onUnreadable } = this.#options;
    const frame = dispatcher.awaitedFrame(messageId);
    if (frame === undefined) {
      // A second reply to a frame that was sent or delivered twice, or one that nobody waits for any more.
      this.#assembly.forget(messageId);
      return;
    }
    const body = this.#assemble(frame, reply);
    if (body === undefined) return;
    let items: ReplyItem[];
    try {
      items = decodeReply(body, (position) => frame.isDocumentDue(position));
    } catch (error) {
      onUnreadable('a reply is unreadable', error);
      this.#giveUp(frame, unreadable);
      return;
    }
    this.#settle(frame, items, attempt > 1 || frame.attempts > 1);
  }

  #assemble(frame: OutgoingFrame, { body, headers }: Reply): Buffer | undefined {
    const { dispatcher, replyBytesMax } = this.#options;
    const { messageId } = frame;
    let assembled = this.#assembly.add(messageId, body, headers);
    if (assembled === 'too large' && this.#forgetAbandoned()) {
      assembled = this.#assembly.add(messageId, body, headers);
    }
    if (assembled === 'partial') return undefined;
    if (assembled === 'broken') {
      dispatcher.askAgain(frame);
      return undefined;
    }
    if (assembled === 'too large') {
      const isAlone = frame.open <= 1 && this.#assembly.bytesOf(messageId) + body.length > replyBytesMax;
      this.#assembly.forget(messageId);
      if (!isAlone) {
        dispatcher.askForLess(frame);
        return undefined;
      }
      const message = `the reply is larger than ${replyBytesMax} bytes (replyBytesMax)`;
      this.#giveUp(frame, (command) => new ClientError('UNAVAILABLE', message, command.subject));
      return undefined;
    }
    return assembled;
  }

  #settle(frame: OutgoingFrame, items: readonly ReplyItem[], resent: boolean): void {
    const { dispatcher, onUnreadable } = this.#options;
    const [first] = items;
    const [command] = frame.commands;
    if (items.length === 1 && first !== undefined && first.line.id === undefined) {
      this.#rejectWhole(frame, first.line, resent);
      return;
    }
    if (command?.action === 'list') {
      dispatcher.noteAnswered(frame);
      this.#tell(command, listAnswerOf(command, items));
      return;
    }
    if (items.length !== frame.count) {
      onUnreadable('a reply has not as many lines as its frame has commands');
      this.#giveUp(frame, unreadable);
      return;
    }
    dispatcher.noteAnswered(frame);
    const commands = frame.commands.values();
    let next = commands.next().value;
    for (const [position, item] of items.entries()) {
      let own: Outgoing | undefined;
      if (next?.position === position) {
        own = next;
        next = commands.next().value;
      }
      this.#settleLine(own, item, resent);
    }
  }

  #settleLine(command: Outgoing | undefined, item: ReplyItem, resent: boolean): void {
    const { dispatcher, onVersion, onClaimed } = this.#options;
    const { id, version, epoch = 0, outcome } = item.line;
    if (id !== undefined && version !== undefined) onVersion(id, version);
    if (command === undefined || command.settled || command.wants === 'confirm') {
      this.#unheard(item.line, resent);
      return;
    }
    const answer = answerOf(command, item, resent, (of, stored) => dispatcher.isOwn(of, stored));
    if (command.claimId !== undefined && (outcome === 'found' || outcome === 'absent')) {
      onClaimed(command.id, epoch);
    }
    this.#tell(command, answer);
  }

  #tell(command: Outgoing, { result, error }: CommandAnswer): void {
    const { dispatcher } = this.#options;
    if (result !== undefined) dispatcher.succeed(command, result);
    else dispatcher.fail(command, error);
  }

  /** One line without an id: the frame could not be read, and is a dead letter as a whole. */
  #rejectWhole(frame: OutgoingFrame, line: ReplyLine, resent: boolean): void {
    const waiting = frame.commands.filter(({ settled, wants }) => !settled && wants === 'answer');
    this.#giveUp(frame, (command) => outcomeError(command, line, 'rejected'));
    if (waiting.length < frame.count) this.#unheard(line, resent);
  }

  /** Nothing more will be known of what is awaited in the frame. */
  #giveUp(frame: OutgoingFrame, errorOf: (command: Outgoing) => unknown): void {
    const { dispatcher } = this.#options;
    dispatcher.noteAnswered(frame);
    for (const command of frame.commands) {
      if (command.wants === 'answer') dispatcher.fail(command, errorOf(command));
    }
  }

  #unheard(line: ReplyLine, resent: boolean): void {
    const { highest } = this.#options.dispatcher;
    const failure = failureOf(line, resent, (id, version) => highest.isForeign(id, version));
    // Only loads expire, and a late answer to a load is of no use to anybody.
    if (failure !== undefined && failure.code !== 'EXPIRED') this.#options.onFailure(failure);
  }

  /** Forgets the parts of replies that nobody waits for any more. Returns whether there were any. */
  #forgetAbandoned(): boolean {
    const { dispatcher } = this.#options;
    return this.#assembly.retain((messageId) => dispatcher.awaitedFrame(messageId) !== undefined);
  }
}
