/**
 * What became of each write: exactly one fate that somebody can know. A confirmed write is stored, or overtaken by a
 * newer one that is, or its refusal was told; poison ends in one letter; nothing else ends in a letter.
 */
import type { Letter, ObjectHistory, Write } from './history.ts';
import { describeWrite, epochMax, type Issued, keyOf, keyOfLetter, versionMax } from './issued.ts';
import type { Report } from './violation.ts';

/**
 * How long a reply may be under way, from the write on: the backlog that the harness allows is worked off in twenty
 * seconds, and a server that is restarted is back in ten. A queue of replies that dies later excuses nothing.
 */
const REPLY_UNDER_WAY_US = 30_000_000;

/** Letters with these codes tell of a refusal that nobody could be told of by a reply. */
const REFUSAL_CODES = new Set(['FENCED', 'CONFLICT']);

export function checkFates(history: ObjectHistory, issued: Issued, report: Report): void {
  new Fates(history, issued, report).check();
}

class Fates {
  readonly #history: ObjectHistory;
  readonly #issued: Issued;
  readonly #report: Report;
  readonly #epochMax: number;
  readonly #versionMax: number;
  readonly #stored = new Set<string>();
  readonly #letters = new Map<string, Letter[]>();
  /** Confirmed writes whose refusal was not told by letter, by process: events do not name the command. */
  readonly #untold = new Map<number, Write[]>();

  constructor(history: ObjectHistory, issued: Issued, report: Report) {
    this.#history = history;
    this.#issued = issued;
    this.#report = report;
    this.#epochMax = epochMax(history);
    this.#versionMax = versionMax(history);
    for (const { change, version, nonce } of history.audit) {
      if (change === 'row') this.#stored.add(keyOf('save', version, nonce));
      if (change === 'tombstone') this.#stored.add(keyOf('delete', version, 0));
    }
    for (const letter of history.letters) {
      const key = keyOfLetter(letter);
      if (key === undefined) continue;
      const known = this.#letters.get(key);
      if (known === undefined) this.#letters.set(key, [letter]);
      else known.push(letter);
    }
  }

  check(): void {
    for (const { sendings } of this.#issued.all) {
      const [first] = sendings;
      if (first === undefined) continue;
      const key = keyOf(first.action, first.version, first.nonce);
      this.#checkLetters(sendings, this.#letters.get(key) ?? []);
      for (const write of sendings) this.#checkOutcome(write, key);
      if (first.poison === 'none') this.#checkGood(sendings, key);
      else this.#checkPoison(sendings, key);
    }
    this.#checkUntold();
  }

  #checkLetters(sendings: readonly Write[], letters: readonly Letter[]): void {
    const [first] = sendings;
    if (first === undefined || letters.length === 0) return;
    // The library sends a command again under a new message id if the answer to the first was lost; that makes a
    // letter of its own. In one frame, however often it is delivered, a command has one letter.
    const idsOfFrames = new Map<string, Set<string>>();
    for (const { letterId, messageId } of letters) {
      idsOfFrames.set(messageId, (idsOfFrames.get(messageId) ?? new Set()).add(letterId));
    }
    for (const [messageId, { size }] of idsOfFrames) {
      if (size <= sendings.length) continue;
      this.#report('doubleLetter', `${size} letters of frame ${messageId} for ${describeWrite(first)}`);
    }
    for (const { code, bytesHash } of letters) {
      if (first.bytesHash !== undefined && bytesHash !== undefined && bytesHash !== first.bytesHash) {
        this.#report('provenance', `the letter of ${describeWrite(first)} has other bytes`);
      }
      const deserved =
        (code === 'FENCED' && this.#mayBeFenced(first)) ||
        (code === 'CONFLICT' && this.#mayConflict(first)) ||
        (first.poison !== 'none' && !REFUSAL_CODES.has(code));
      if (!deserved) this.#report('wronglyRejected', `letter ${code} for ${describeWrite(first)}`);
    }
  }

  /** What one answer says must agree with what was stored. */
  #checkOutcome(write: Write, key: string): void {
    switch (write.outcome) {
      case 'applied':
        if (write.poison !== 'none') this.#report('accounting', `applied: ${describeWrite(write)}`);
        else if (!this.#stored.has(key)) this.#report('lost', `never stored: ${describeWrite(write)}`);
        return;
      case 'superseded':
        if (this.#versionMax <= write.version) {
          this.#report('lost', `superseded by nothing: ${describeWrite(write)}`);
        }
        return;
      case 'fenced':
        if (!this.#mayBeFenced(write)) this.#report('wronglyRejected', describeWrite(write));
        return;
      case 'conflict':
        if (!this.#mayConflict(write)) this.#report('wronglyRejected', describeWrite(write));
        return;
      case 'rejected':
        if (write.poison === 'none') this.#report('wronglyRejected', describeWrite(write));
        else if (!this.#letters.has(key)) this.#report('lost', `no letter: ${describeWrite(write)}`);
        return;
      case 'confirmed':
      case 'unknown':
      case 'unsent':
        return;
      default:
        write.outcome satisfies never;
    }
  }

  #checkGood(sendings: readonly Write[], key: string): void {
    const rejected = sendings.find(({ outcome }) => outcome === 'rejected');
    if (this.#stored.has(key)) {
      if (rejected !== undefined)
        this.#report('accounting', `stored and rejected: ${describeWrite(rejected)}`);
      return;
    }
    const due = sendings.filter(({ outcome }) => outcome === 'confirmed');
    const [first] = due;
    if (first === undefined || this.#versionMax > first.version || this.#letters.has(key)) return;
    // One of several sendings told is enough: it is the same write.
    if (sendings.some(({ outcome }) => outcome === 'fenced' || outcome === 'conflict')) return;
    if (!this.#mayBeFenced(first) && !this.#mayConflict(first)) {
      this.#report('lost', `neither stored nor refused: ${describeWrite(first)}`);
      return;
    }
    const untold = this.#untold.get(first.process);
    if (untold === undefined) this.#untold.set(first.process, [first]);
    else untold.push(first);
  }

  /**
   * As many events must have told of refusals as there were. Which event told of which is not known: those that nothing
   * excuses are given an event first, the latest of them first, which only a later event can have told.
   */
  #checkUntold(): void {
    for (const [process, writes] of this.#untold) {
      const losses = this.#history.repliesLost.get(process) ?? [];
      const isExcused = ({ invokedAt }: Write): boolean =>
        losses.some((at) => at >= invokedAt && at <= invokedAt + REPLY_UNDER_WAY_US);
      const told = this.#history.failures
        .filter((failure) => failure.process === process)
        .map(({ at }) => at)
        .toSorted((one, other) => one - other);
      // The earliest event that fits, so that the later ones are left for those sent later.
      const wasTold = ({ invokedAt }: Write): boolean => {
        const index = told.findIndex((at) => at >= invokedAt);
        if (index >= 0) told.splice(index, 1);
        return index >= 0;
      };
      const latestFirst = writes.toSorted((one, other) => other.invokedAt - one.invokedAt);
      const excusedLast = [
        ...latestFirst.filter((write) => !isExcused(write)),
        ...latestFirst.filter(isExcused),
      ];
      for (const write of excusedLast) {
        if (wasTold(write)) continue;
        this.#report(
          isExcused(write) ? 'unheard' : 'lost',
          `refused and nobody told: ${describeWrite(write)}`,
        );
      }
    }
  }

  #checkPoison(sendings: readonly Write[], key: string): void {
    const due = sendings.find(({ outcome }) => outcome === 'confirmed');
    if (due === undefined || this.#letters.has(key)) return;
    const overtaken = due.poison === 'refused' && this.#versionMax > due.version;
    const refused = due.poison === 'refused' && (this.#mayBeFenced(due) || this.#mayConflict(due));
    if (!overtaken && !refused) this.#report('lost', `no letter: ${describeWrite(due)}`);
  }

  #mayBeFenced({ epoch }: Write): boolean {
    return epoch < this.#epochMax;
  }

  /** The client library also says `conflict` where somebody else's version superseded the write. */
  #mayConflict({ ifVersion, version, storedVersion }: Write): boolean {
    return (
      ifVersion !== undefined ||
      this.#issued.isDisputed(version) ||
      (storedVersion !== undefined && storedVersion > version && this.#versionMax > version)
    );
  }
}
