/** What the calls of the client are given. */
import type { OnFull } from './client-options.ts';
import type { Document } from './document-text.ts';

/** The object of a delete, and what every write may say about versions. */
export interface DeleteInput {
  /** 1 to 255 characters (code points), without U+0000 and lone surrogates. */
  readonly id: string;
  /**
   * Orders the states of the object: only a higher one than the stored is applied. Default: the time in microseconds, or
   * more if a higher version of this object is known.
   */
  readonly version?: number | undefined;
  /** Ownership under which it is written. Default: what this client's claim of the object was given, else 0. */
  readonly epoch?: number | undefined;
  /** Apply only if the stored version is exactly this; 0: only if there is no such object. */
  readonly ifVersion?: number | undefined;
}

/** The object of a save. */
export interface SaveInput extends DeleteInput {
  /** As `id`. */
  readonly type: string;
  readonly document: Document;
  /** Goverse's call sequence, stored with the object and never lowered. */
  readonly nextRcseq?: number | undefined;
}

export interface WriteOptions {
  /**
   * When the call resolves. `confirmed` (default): the command is safe with the broker; if it fails later, event
   * `failure` tells. `persisted`: a worker has decided and committed.
   */
  readonly until?: 'confirmed' | 'persisted' | undefined;
  /** What to do when the buffer is full. Default: the client's `onFull`. To wait bounds only who awaits the call. */
  readonly onFull?: OnFull | undefined;
  /**
   * Ends the waiting; the call rejects with the signal's reason. A command that was not sent yet is not sent any more;
   * one that was may still be applied.
   */
  readonly signal?: AbortSignal | undefined;
  /**
   * Milliseconds after which the call fails with `TIMEOUT`; the write may still be applied. Default: none, and until
   * `persisted` the client's `persistTimeoutMs`.
   */
  readonly timeoutMs?: number | undefined;
}

export interface ReadOptions {
  /** Milliseconds after which the call fails with `TIMEOUT`. Default: the client's `loadTimeoutMs`. */
  readonly timeoutMs?: number | undefined;
  readonly onFull?: OnFull | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface LoadOptions extends ReadOptions {
  /**
   * `ordered` (default): sees every write of the object that was confirmed before, by any node. `committed`: what is
   * committed now, answered at once.
   */
  readonly consistency?: 'ordered' | 'committed' | undefined;
  /** Whether the document itself is wanted, or only existence, version and epoch. Default `true`. */
  readonly document?: boolean | undefined;
}

export interface ClaimOptions extends ReadOptions {
  /** UUID of the claim; a repetition with the same is given the same epoch. Default: a random one. */
  readonly claimId?: string | undefined;
  /** An epoch of the caller's own, as a revision of etcd: the object gets at least this. Default: one above the stored. */
  readonly epoch?: number | undefined;
  /** Whether the document itself is wanted. Default `true`. */
  readonly document?: boolean | undefined;
}

export interface ListOptions extends ReadOptions {
  /** List only ids that follow this one, in the order of their bytes. */
  readonly after?: string | undefined;
  /** Most objects in one page, 1 to 10,000. Default 100. */
  readonly limit?: number | undefined;
  /** Whether the documents are wanted too. Default `false`. */
  readonly documents?: boolean | undefined;
}
