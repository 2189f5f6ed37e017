/** What the calls of the client resolve with. */
import type { ReplyItem } from '../contract/reply.ts';

/** What became of a save or a delete. */
export interface WriteResult {
  readonly id: string;
  /** The version and epoch that the write carried. */
  readonly version: number;
  readonly epoch: number;
  /**
   * `confirmed`: safe with the broker, not yet decided. `applied`: stored, committed. `superseded`: a newer version that
   * this client wrote is stored instead.
   */
  readonly outcome: 'confirmed' | 'applied' | 'superseded';
  /** What is stored, where a worker said it. */
  readonly storedVersion: number | undefined;
  readonly storedEpoch: number | undefined;
}

export type SaveResult = WriteResult;
export type DeleteResult = WriteResult;

/** An object as it is stored. */
export class FoundObject {
  readonly found = true as const;
  readonly id: string;
  readonly type: string;
  readonly version: number;
  readonly epoch: number;
  /** Goverse's call sequence, 0 if it was never given. */
  readonly nextRcseq: number;
  /**
   * The document as PostgreSQL renders its jsonb, `undefined` if it was not asked for. Integers beyond 2^53 are exact in
   * here and only here.
   */
  readonly text: string | undefined;
  #document: unknown;

  constructor({ line, document }: ReplyItem, id: string) {
    this.id = id;
    this.type = line.type ?? '';
    this.version = line.version ?? 0;
    this.epoch = line.epoch ?? 0;
    this.nextRcseq = line.nextRcseq ?? 0;
    this.text = document;
  }

  /** The document, parsed at the first access; always the same value. `undefined` if it was not asked for. */
  get document(): unknown {
    if (this.#document === undefined && this.text !== undefined) this.#document = JSON.parse(this.text);
    return this.#document;
  }
}

/** There is no such object. A version above `version` under at least `epoch` brings it to life. */
export interface AbsentObject {
  readonly found: false;
  readonly id: string;
  /** Of the last delete, while its tombstone is kept; 0 if nothing is known. */
  readonly version: number;
  readonly epoch: number;
}

export type LoadResult = FoundObject | AbsentObject;

/** As of a load; `epoch` is the one that the claimant was given. */
export type ClaimResult = LoadResult & {
  /** A claim repeated with this id is given the same epoch again. */
  readonly claimId: string;
};

/** A part of all objects of a type, in the order of the bytes of their ids. */
export interface ListPage {
  readonly objects: readonly FoundObject[];
  /** Whether more may follow: ask again with `after` set to the last id. */
  readonly more: boolean;
}

export type CommandResult = WriteResult | LoadResult | ClaimResult | ListPage;
