/**
 * Bounds what is handed over and not finished. Two bounds: one for what is not confirmed yet, one for what awaits a
 * worker's answer. They are apart so that awaited saves, which pile up while no worker runs, do not stop the others.
 *
 * A command that wants an answer first finds room to await it, then room to be sent. Who finds none waits in order; and
 * whoever comes for an object that somebody already waits for, waits behind, so the order per object is kept.
 */
import { ClientError } from './client-error.ts';
import type { Outgoing } from './outgoing.ts';
import { Room } from './room.ts';

export interface AdmissionOptions {
  readonly bufferItemsMax: number;
  readonly bufferBytesMax: number;
  readonly awaitingItemsMax: number;
  readonly awaitingBytesMax: number;
  /** There is room for it: it may be sent. */
  readonly onAdmitted: (command: Outgoing) => void;
}

const wantsAnswer = (command: Outgoing): boolean => command.wants === 'answer';
const always = (): boolean => true;

export class Admission {
  readonly sending: Room;
  readonly awaiting: Room;
  readonly #onAdmitted: (command: Outgoing) => void;
  /** How many commands of an object wait for room to await their answer. */
  readonly #waitingIds = new Map<string, number>();

  constructor(options: AdmissionOptions) {
    this.sending = new Room(options.bufferItemsMax, options.bufferBytesMax);
    this.awaiting = new Room(options.awaitingItemsMax, options.awaitingBytesMax);
    this.#onAdmitted = options.onAdmitted;
  }

  get waitingCount(): number {
    return this.sending.waitingCount + this.awaiting.waitingCount;
  }

  /** @throws ClientError `OVERLOADED` unless there is room for all of them now. */
  requireRoom(commands: readonly Outgoing[]): void {
    const awaited = commands.filter(wantsAnswer);
    const free =
      this.sending.isFree(commands.length, bytesOf(commands)) &&
      (awaited.length === 0 || this.awaiting.isFree(awaited.length, bytesOf(awaited))) &&
      (this.#waitingIds.size === 0 || !commands.some(({ id }) => this.#waitingIds.has(id)));
    if (!free) throw new ClientError('OVERLOADED', 'the buffer is full', commands[0]?.subject);
  }

  /** Takes a command in, now or as soon as there is room. */
  admit(command: Outgoing): void {
    if (wantsAnswer(command) || (this.#waitingIds.size > 0 && this.#waitingIds.has(command.id))) {
      this.#toAwaiting(command);
    } else {
      this.#toSending(command);
    }
  }

  /** A command is confirmed, or will never be sent. Safe twice. */
  releaseSending(command: Outgoing): void {
    if (!command.holdsSending) return;
    command.holdsSending = false;
    this.sending.release(command.bytes);
    if (this.sending.waitingCount > 0) this.#admitToSending();
  }

  /** A command was answered, or nobody waits for its answer any more. Safe twice. */
  releaseAwaiting(command: Outgoing): void {
    if (!command.holdsAwaiting) return;
    command.holdsAwaiting = false;
    this.awaiting.release(command.bytes);
    if (this.awaiting.waitingCount > 0) this.#admitToAwaiting();
  }

  /** A command that was waiting for room is settled. */
  giveUp(command: Outgoing): void {
    if (command.waitsFor === 'awaiting') {
      this.#forgetWaiting(command);
      this.awaiting.giveUp();
      this.#admitToAwaiting();
    } else if (command.waitsFor === 'sending') {
      command.waitsFor = undefined;
      this.sending.giveUp();
      this.#admitToSending();
    }
  }

  /** Everything that waits for room; it does so no longer. */
  clear(): Outgoing[] {
    this.#waitingIds.clear();
    const waiting = [...this.awaiting.clear(), ...this.sending.clear()];
    for (const command of waiting) command.waitsFor = undefined;
    return waiting;
  }

  #toAwaiting(command: Outgoing): void {
    if (wantsAnswer(command) && this.awaiting.isFree(1, command.bytes)) {
      this.#pass(command);
      return;
    }
    command.waitsFor = 'awaiting';
    this.#waitingIds.set(command.id, (this.#waitingIds.get(command.id) ?? 0) + 1);
    this.awaiting.wait(command);
  }

  #admitToAwaiting(): void {
    for (;;) {
      const command = this.awaiting.next(wantsAnswer);
      if (command === undefined) return;
      this.#forgetWaiting(command);
      this.#pass(command);
    }
  }

  #pass(command: Outgoing): void {
    if (wantsAnswer(command)) {
      command.holdsAwaiting = true;
      this.awaiting.take(command.bytes);
    }
    this.#toSending(command);
  }

  #toSending(command: Outgoing): void {
    if (this.sending.isFree(1, command.bytes)) {
      this.#enter(command);
      return;
    }
    command.waitsFor = 'sending';
    this.sending.wait(command);
  }

  #admitToSending(): void {
    for (;;) {
      const command = this.sending.next(always);
      if (command === undefined) return;
      command.waitsFor = undefined;
      this.#enter(command);
    }
  }

  #enter(command: Outgoing): void {
    command.holdsSending = true;
    this.sending.take(command.bytes);
    this.#onAdmitted(command);
  }

  #forgetWaiting(command: Outgoing): void {
    command.waitsFor = undefined;
    const count = (this.#waitingIds.get(command.id) ?? 1) - 1;
    if (count === 0) this.#waitingIds.delete(command.id);
    else this.#waitingIds.set(command.id, count);
  }
}

function bytesOf(commands: readonly Outgoing[]): number {
  return commands.reduce((sum, command) => sum + command.bytes, 0);
}
