/**
 * Everything that was handed over and is not finished: takes commands in, sends them, waits for confirms and answers,
 * sends again after a loss, and tells every call exactly once what became of it.
 *
 * A command: waiting for room -> queued -> in a frame, sent (again and again) -> confirmed -> answered. It is settled
 * once: by the confirm or by the answer, whichever it wants, or earlier by a failure, a timeout, an abort or the close.
 * What is settled early stays where it is until it can be forgotten.
 */
import type { BrokerError } from '../broker/broker-error.ts';
import { ContractError } from '../contract/errors.ts';
import { AbortSignals } from './abort-signals.ts';
import { Admission } from './admission.ts';
import { AwaitedFrames } from './awaited-frames.ts';
import { ClientError } from './client-error.ts';
import type { ClientOptions, OnFull } from './client-options.ts';
import { FlushBarrier } from './flush-barrier.ts';
import { FrameSender, type Route, type SenderEvents, type SenderLink } from './frame-sender.ts';
import { HighestVersions } from './highest-versions.ts';
import { IssuedVersions } from './issued-versions.ts';
import type { Outgoing } from './outgoing.ts';
import type { OutgoingFrame } from './outgoing-frame.ts';
import type { CommandResult } from './results.ts';

export interface SubmitOptions {
  readonly onFull: OnFull;
  readonly signal: AbortSignal | undefined;
  /** From now; `undefined` waits for ever. */
  readonly timeoutMs: number | undefined;
}

export interface DispatchEvents {
  /** A call is told of an error. */
  readonly onError: (error: unknown) => void;
  /** The broker refuses what goes to a routing key, having taken it until now. */
  readonly onRefusal: (routingKey: string) => void;
}

/** AMQP reply codes with which the broker closes a channel for what was published on it. */
const ACCESS_REFUSED = 403;
const NOT_FOUND = 404;
const PRECONDITION_FAILED = 406;

export class Dispatcher {
  readonly admission: Admission;
  readonly issued = new IssuedVersions();
  readonly highest = new HighestVersions();
  /** Since the start. */
  readonly counts = { confirmedCommands: 0, confirmedFrames: 0, resentFrames: 0, refusedFrames: 0 };
  readonly #link: SenderLink;
  readonly #options: ClientOptions;
  readonly #events: DispatchEvents;
  readonly #senders: FrameSender[] = [];
  readonly #awaited = new AwaitedFrames();
  readonly #barrier = new FlushBarrier();
  readonly #signals: AbortSignals<Outgoing>;
  /** Senders that wait for their turn. */
  #work: FrameSender[] = [];
  /** Commands that are not settled. */
  #open = 0;
  #onIdle: (() => void) | undefined;
  /** The exchanges that have taken something on the present channel, so that they were there and we had the right. */
  #taking = new Set<string>();
  #accepting = true;
  #ended = false;

  constructor(link: SenderLink, options: ClientOptions, events: DispatchEvents) {
    this.#link = link;
    this.#options = options;
    this.#events = events;
    this.admission = new Admission({ ...options, onAdmitted: (command) => command.sender.push(command) });
    this.#signals = new AbortSignals((command, reason) => this.fail(command, reason));
  }

  get framesInFlight(): number {
    return this.#senders.reduce((sum, sender) => sum + sender.framesInFlight, 0);
  }

  /** Makes a sender for a route. */
  addSender(route: Route): FrameSender {
    const events: SenderEvents = {
      onWork: (sender) => this.#schedule(sender),
      onResending: (frame) => {
        this.#awaited.remove(frame);
        frame.recompose();
      },
      onSending: (frame) => {
        if (frame.attempts > 1) this.counts.resentFrames += 1;
        if (frame.wantsAnswers && !frame.answered) this.#awaited.add(frame);
      },
      onConfirmed: (frame) => {
        this.#taking.add(route.exchange);
        this.#confirm(frame);
      },
      onReturned: (frame) => {
        this.#taking.add(route.exchange);
        this.#failFrame(frame, (command) => unroutable(command));
      },
      onRefused: (isFirst) => {
        this.counts.refusedFrames += 1;
        if (isFirst) this.#events.onRefusal(route.routingKey);
      },
      onAbandoned: (frame) => this.#abandonFrame(frame),
    };
    const sender = new FrameSender(route, this.#link, this.#options.node, this.#options, events);
    this.#senders.push(sender);
    return sender;
  }

  /**
   * Takes commands in. Each of their calls is told later, exactly once.
   *
   * @throws what is wrong with all of them, none of which is taken in then: `CLOSED`, `OVERLOADED`, or the reason of an
   * aborted signal.
   */
  submit(commands: readonly Outgoing[], { onFull, signal, timeoutMs }: SubmitOptions): void {
    try {
      if (!this.#accepting) throw new ClientError('CLOSED', 'the client is closed', commands[0]?.subject);
      signal?.throwIfAborted();
      if (onFull === 'fail') this.admission.requireRoom(commands);
    } catch (error) {
      for (const command of commands.toReversed()) command.sender.lines.undo(command);
      throw error;
    }
    for (const command of commands) {
      this.#open += 1;
      if (command.isWrite) {
        command.era = this.#barrier.enter();
        this.issued.note(command.id, command.version, command.wants === 'answer');
        this.highest.note(command.id, command.version);
      }
      if (signal !== undefined) {
        command.signal = signal;
        this.#signals.watch(signal, command);
      }
      if (timeoutMs !== undefined) {
        command.timer = setTimeout(() => this.fail(command, timedOut(command, timeoutMs)), timeoutMs);
      }
      this.admission.admit(command);
    }
  }

  succeed(command: Outgoing, result: CommandResult): void {
    if (this.#settle(command)) command.call.succeed(command.index, result);
  }

  fail(command: Outgoing, error: unknown): void {
    if (!this.#settle(command, wasSent(command) && error instanceof ClientError)) return;
    this.#events.onError(error);
    command.call.fail(command.index, error);
  }

  /** The frame that a reply is for, if somebody waits for it, or gave up waiting not long ago. */
  awaitedFrame(messageId: string): OutgoingFrame | undefined {
    return this.#awaited.get(messageId);
  }

  /** Whether a version that superseded an awaited write of the object was issued by this client. */
  isOwn(id: string, version: number): boolean {
    return this.issued.has(id, version) || this.highest.isHighest(id, version);
  }

  /** The reply to a frame came; its commands are about to be settled by it. */
  noteAnswered(frame: OutgoingFrame): void {
    frame.answered = true;
    this.#awaited.remove(frame);
  }

  /** The reply to a frame is lost: it is sent again for the answers that it lacks. */
  askAgain(frame: OutgoingFrame): void {
    if (!frame.confirmed) frame.replyLost = true;
    else if (frame.open > 0 && frame.place === 'nowhere') frame.sender.resend(frame);
  }

  /** The reply to a frame is more than can be held now: half of it is asked for at a time, under new message ids. */
  askForLess(frame: OutgoingFrame): void {
    if (!frame.confirmed || frame.place !== 'nowhere') {
      frame.replyTooLarge = true;
      return;
    }
    this.#awaited.remove(frame);
    for (const half of frame.halves()) half.sender.resend(half);
  }

  /** Resolves when every write handed over before is settled. */
  async flush(): Promise<void> {
    await this.#barrier.wait();
  }

  /** The link is up. */
  resume(): void {
    for (const sender of this.#senders) this.#schedule(sender);
  }

  /** Replies to what was sent so far will never come. */
  noteRepliesLost(): void {
    this.#awaited.forgetLate();
    for (const frame of this.#awaited.frames()) this.askAgain(frame);
  }

  /**
   * The channel that frames were sent on is gone. If the broker closed it for what was sent, to send the same again
   * would only repeat that.
   */
  notePublisherLost(error: BrokerError): void {
    // By then every frame that was on its way is back with its sender, and every confirm that came is heard.
    setImmediate(() => {
      const took = this.#taking;
      this.#taking = new Set();
      if (error.replyCode === NOT_FOUND) this.#failUnroutable(error, took);
      if (error.replyCode === PRECONDITION_FAILED) this.#failLargest(error);
      if (error.replyCode === ACCESS_REFUSED) this.#failRefused(error, took);
    });
  }

  /** Takes nothing in from now on. Resolves when everything is settled, or the time is over. */
  async drain(drainTimeoutMs: number): Promise<void> {
    this.#accepting = false;
    if (this.#open === 0) return;
    await new Promise<void>((resolve) => {
      const timer = drainTimeoutMs === Infinity ? undefined : setTimeout(resolve, drainTimeoutMs);
      this.#onIdle = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Settles whatever is left: what was never sent as `CLOSED`, the rest as `UNAVAILABLE`. */
  end(): void {
    this.#accepting = false;
    this.#ended = true;
    const left = [
      ...this.admission.clear(),
      ...this.#senders.flatMap((sender) => sender.close()),
      ...this.#awaited.frames().flatMap(({ commands }) => commands),
    ];
    this.#awaited.clear();
    for (const command of left) this.fail(command, closed(command));
  }

  #schedule(sender: FrameSender): void {
    if (sender.scheduled || this.#ended) return;
    sender.scheduled = true;
    this.#work.push(sender);
    if (this.#work.length === 1) setImmediate(() => this.#pumpAll());
  }

  #pumpAll(): void {
    const work = this.#work;
    this.#work = [];
    for (const sender of work) {
      sender.scheduled = false;
      sender.pump();
    }
  }

  #confirm(frame: OutgoingFrame): void {
    this.counts.confirmedFrames += 1;
    for (const command of frame.commands) {
      if (command.holdsSending) this.counts.confirmedCommands += 1;
      this.admission.releaseSending(command);
      if (command.wants === 'confirm') this.succeed(command, confirmed(command));
    }
    if (!frame.wantsAnswers || frame.answered) return;
    frame.keepOpen();
    if (frame.open === 0) this.#retire(frame);
    else if (frame.replyTooLarge) this.askForLess(frame);
    else if (frame.replyLost || frame.replyQueue !== this.#link.replyQueue) this.askAgain(frame);
  }

  /** Nobody waits for the reply to a confirmed frame any more. */
  #retire(frame: OutgoingFrame): void {
    frame.keepOpen();
    this.#awaited.retire(frame);
  }

  /** Nobody waits for a frame that was to be sent again. What it asked for may have been done, and fail late. */
  #abandonFrame(frame: OutgoingFrame): void {
    for (const command of frame.commands) this.admission.releaseSending(command);
    if (frame.answered) return;
    if (frame.uncertain) this.#retire(frame);
    else this.#awaited.remove(frame);
  }

  #failFrame(frame: OutgoingFrame, errorOf: (command: Outgoing) => unknown): void {
    this.#awaited.remove(frame);
    for (const command of frame.commands) {
      this.admission.releaseSending(command);
      this.fail(command, errorOf(command));
    }
  }

  /** All that was on its way through the exchange that is missing. */
  #failUnroutable(cause: BrokerError, took: ReadonlySet<string>): void {
    for (const sender of this.#senders) {
      if (sender.route.exchange === '') continue;
      for (const frame of sender.takeToResend()) {
        const reached = mayHaveReached(frame, took.has(sender.route.exchange));
        this.#failFrame(frame, (command) => unroutable(command, reached, cause));
      }
    }
  }

  /**
   * The broker does not say which frame it had no right for; to send any again would repeat that for ever. Where frames
   * went to two exchanges, those to the one that takes them may have reached it.
   */
  #failRefused(cause: BrokerError, took: ReadonlySet<string>): void {
    const frames = this.#senders.flatMap((sender) => sender.takeToResend());
    const exchanges = new Set(frames.map(({ sender }) => sender.route.exchange));
    for (const frame of frames) {
      const reached = mayHaveReached(frame, exchanges.size > 1 || took.has(frame.sender.route.exchange));
      this.#failFrame(frame, (command) =>
        reached && changesSomething(command)
          ? new ClientError('UNAVAILABLE', `it may have been applied before: ${cause.message}`, {
              ...command.subject,
              cause,
            })
          : cause,
      );
    }
  }

  /**
   * If anything was larger than the broker takes, the largest was; the rest is sent again. What was confirmed was not too
   * large.
   */
  #failLargest(cause: BrokerError): void {
    const frames = this.#senders.flatMap((sender) => sender.takeToResend());
    const largest = frames.reduce(
      (bytes, frame) => (frame.confirmed ? bytes : Math.max(bytes, frame.bytes)),
      0,
    );
    for (const frame of frames) {
      if (frame.confirmed || frame.bytes < largest) frame.sender.resend(frame);
      else this.#failFrame(frame, () => new ContractError('TOO_LARGE', cause.message, { cause }));
    }
  }

  /** @param uncertain it may have been applied, or yet be. */
  #settle(command: Outgoing, uncertain = false): boolean {
    if (command.settled) return false;
    command.settled = true;
    clearTimeout(command.timer);
    if (command.signal !== undefined) this.#signals.unwatch(command.signal, command);
    const { frame } = command;
    if (command.wants === 'answer') {
      if (command.isWrite) this.issued.forget(command.id, uncertain);
      this.admission.releaseAwaiting(command);
      if (frame !== undefined) frame.open -= 1;
    }
    if (frame !== undefined) {
      frame.unsettled -= 1;
      if (frame.unsettled === 0 && frame.place === 'to resend' && !frame.answered)
        command.sender.abandonFrame(frame);
      else if (frame.open === 0 && frame.wantsAnswers && frame.confirmed && !frame.answered) {
        this.#retire(frame);
      }
    } else {
      if (command.waitsFor !== undefined) this.admission.giveUp(command);
      else command.sender.abandon();
      this.admission.releaseSending(command);
      command.dropLines();
    }
    if (command.era !== undefined) this.#barrier.leave(command.era);
    this.#open -= 1;
    if (this.#open === 0) this.#onIdle?.();
    return true;
  }
}

function confirmed({ id, version, epoch }: Outgoing): CommandResult {
  return { id, version, epoch, outcome: 'confirmed', storedVersion: undefined, storedEpoch: undefined };
}

function timedOut(command: Outgoing, timeoutMs: number): ClientError {
  const fate = !changesSomething(command)
    ? ''
    : wasSent(command)
      ? '; it may still be applied'
      : '; it was not sent, and will not be';
  return new ClientError('TIMEOUT', `no answer within ${timeoutMs} ms${fate}`, command.subject);
}

/** Writes and claims: to repeat them is not the same as to do them once. */
function changesSomething(command: Outgoing): boolean {
  return command.isWrite || command.claimId !== undefined;
}

/**
 * Whether a frame may have reached its queue before the broker closed the channel over what was sent. Nothing is said of
 * the last attempt, since confirms may be lost with the channel; it certainly failed if the exchange took nothing at all
 * on that channel, as where it was never declared or there never was a right.
 *
 * @param maybeTaken whether its exchange took something on the channel, or it is not known to be the one that refused.
 */
function mayHaveReached(frame: OutgoingFrame, maybeTaken: boolean): boolean {
  return frame.confirmed || frame.attempts > 1 || maybeTaken;
}

function unroutable(command: Outgoing, reached = command.frame?.uncertain, cause?: BrokerError): ClientError {
  const { subject, sender } = command;
  if (changesSomething(command) && reached === true) {
    return new ClientError('UNAVAILABLE', 'it was sent before with unknown fate, and now no queue takes it', {
      ...subject,
      cause,
    });
  }
  const { exchange, routingKey } = sender.route;
  const where = exchange === '' ? `queue ${routingKey}` : `exchange ${exchange}, routing key ${routingKey}`;
  const message = `no queue takes it (${where}): nothing is declared there, or the number of partitions differs`;
  return new ClientError('UNROUTABLE', message, { ...subject, cause });
}

function closed(command: Outgoing): ClientError {
  if (wasSent(command)) {
    return new ClientError('UNAVAILABLE', 'the client was closed before its fate was known', command.subject);
  }
  return new ClientError('CLOSED', 'the client was closed before it was sent', command.subject);
}

function wasSent({ frame }: Outgoing): boolean {
  return frame !== undefined && frame.attempts > 0;
}
