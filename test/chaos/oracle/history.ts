/**
 * What the oracle is given: everything that was asked of the system and answered by it, and everything it stored, for
 * one object at a time. Times are microseconds of one monotonic clock that all processes of the machine share.
 *
 * A document carries its object, its version and a nonce of its own, and content made from these three; so whoever reads
 * one can tell whether it was ever issued.
 */

/**
 * What the issuer learned of a write. `confirmed`: safe with the broker, nothing more was heard. `unknown`: not even
 * that. `unsent`: certainly never sent.
 */
export type WriteOutcome =
  | 'confirmed'
  | 'applied'
  | 'superseded'
  | 'fenced'
  | 'conflict'
  | 'rejected'
  | 'unknown'
  | 'unsent';

/** `always`: bad in itself. `refused`: only the database refuses it, so a newer write may overtake it unseen. */
export type Poison = 'none' | 'always' | 'refused';

/** One sending of a write; a write that is sent again on purpose has one for each. */
export interface Write {
  readonly action: 'save' | 'delete';
  /** Number of the process that issued it. */
  readonly process: number;
  readonly version: number;
  readonly epoch: number;
  /** Unique to the content; 0 for deletes. */
  readonly nonce: number;
  readonly ifVersion: number | undefined;
  readonly poison: Poison;
  /** Whether its sender would have heard of a failure, as far as the broker kept the reply. */
  readonly outcome: WriteOutcome;
  readonly storedVersion: number | undefined;
  readonly invokedAt: number;
  readonly endedAt: number;
  /** FNV-1a of its lines, where the issuer knew them. */
  readonly bytesHash: number | undefined;
}

/** A load that was answered; `claim` only for those with a claim. */
export interface Load {
  readonly action: 'ordered' | 'committed' | 'claim';
  readonly process: number;
  readonly found: boolean;
  /** 0 if nothing is known of the object. */
  readonly version: number;
  readonly epoch: number;
  /** Of the document; 0 if there is none. */
  readonly nonce: number;
  /** Whether the document is exactly what its version and nonce say. */
  readonly intact: boolean;
  /** Number of the claim id. */
  readonly claimId: number | undefined;
  readonly invokedAt: number;
  readonly endedAt: number;
}

/** A failure that the client library reported by its event: it names the object, not the command. */
interface FailureEvent {
  readonly process: number;
  readonly outcome: 'fenced' | 'conflict' | 'rejected';
  readonly storedEpoch: number | undefined;
  /** Microseconds. */
  readonly at: number;
}

/** A dead letter, or one command of a letter that holds a whole frame. */
export interface Letter {
  readonly letterId: string;
  /** Of the frame that the command came in. */
  readonly messageId: string;
  readonly code: string;
  readonly action: 'save' | 'delete' | 'load' | 'unknown';
  readonly version: number | undefined;
  readonly nonce: number | undefined;
  readonly bytesHash: number | undefined;
}

/**
 * One change as the audit triggers saw it, in the order in which changes of this object were committed. `row`: a row was
 * inserted or updated; `gone`: it was deleted; `tombstone`, `tombstone-gone` alike.
 */
export interface AuditEntry {
  readonly seq: number;
  readonly change: 'row' | 'gone' | 'tombstone' | 'tombstone-gone';
  readonly version: number;
  readonly epoch: number;
  readonly nonce: number;
  /** When, and by which worker; only for people who look for the cause. */
  readonly at?: number;
  readonly worker?: number;
}

export interface StoredRow {
  readonly version: number;
  readonly epoch: number;
  readonly nonce: number;
  readonly intact: boolean;
}

export interface StoredTombstone {
  readonly version: number;
  readonly epoch: number;
}

export interface ObjectHistory {
  /** Object id. */
  readonly object: string;
  readonly writes: readonly Write[];
  readonly loads: readonly Load[];
  readonly failures: readonly FailureEvent[];
  readonly letters: readonly Letter[];
  /** In ascending order of `seq`. */
  readonly audit: readonly AuditEntry[];
  readonly row: StoredRow | undefined;
  readonly tombstone: StoredTombstone | undefined;
  /** When each process lost its queue of replies, in microseconds, ascending. */
  readonly repliesLost: ReadonlyMap<number, readonly number[]>;
}

/** What concerns the run as a whole. */
export interface RunFacts {
  /** Queues that still held messages at the end of the time given for draining. */
  readonly undrained: readonly string[];
  /** Calls of the client library, and frames, of which nothing was ever heard. */
  readonly unsettled: readonly string[];
  /** Frames whose reply had another number of lines than they had commands, and the like. */
  readonly malformedReplies: readonly string[];
  /** Processes that ended although nobody ended them, or would not go on. */
  readonly crashes: readonly string[];
  /** Letters that belong to nothing that was issued. */
  readonly foreignLetters: readonly string[];
}
