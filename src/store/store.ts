/**
 * What the worker needs of a database. `PostgresStore` is the real one; the same conformance suite runs over it and
 * over the fake that tests use.
 */
import type { DocumentBytes } from './binary-array.ts';
import type { StoreError } from './store-error.ts';

/** What is known of an object before a batch: 0 and 0 if nothing is. */
export interface StoredState {
  /** Whether there is a row. */
  readonly live: boolean;
  /** The version of the row or of the tombstone. */
  readonly version: number;
  readonly epoch: number;
  /** Whether there is a tombstone row, which an insert has to remove. */
  readonly tombstone: boolean;
}

export const NEVER_STORED: StoredState = { live: false, version: 0, epoch: 0, tombstone: false };

/** A row to be written. */
export interface ObjectRow extends DocumentBytes {
  readonly id: string;
  readonly type: string;
  readonly version: number;
  readonly epoch: number;
  /** 0 where none is given: the stored one is never lowered. */
  readonly nextRcseq: number;
}

/** A write of a live object that has a row. */
export interface UpdateRow {
  readonly row: ObjectRow;
  /** The object was deleted in between, so `created_at` and `next_rcseq` begin anew. */
  readonly recreated: boolean;
}

/** The version and epoch of an object that has, or will have, no row. */
export interface TombstoneRow {
  readonly id: string;
  readonly version: number;
  readonly epoch: number;
}

export interface EpochRow {
  readonly id: string;
  readonly epoch: number;
}

export interface ClaimKey {
  readonly id: string;
  /** UUID in lower case. */
  readonly claim: string;
}

export interface ClaimRow extends ClaimKey {
  readonly epoch: number;
}

/** What one pass over a batch writes: every id at most once over all lists but `claims` and `revived`. */
export interface Changes {
  /** Absent objects that become live. */
  readonly inserts: ObjectRow[];
  /** Live objects that get a new state. */
  readonly updates: UpdateRow[];
  /** Live objects that become absent. */
  readonly deletes: TombstoneRow[];
  /** Absent objects whose version or epoch rises. */
  readonly tombstones: TombstoneRow[];
  /** Live objects of which only the epoch rises. */
  readonly epochs: EpochRow[];
  readonly claims: ClaimRow[];
  /** Ids in `inserts` and `updates` that have a tombstone. */
  readonly revived: string[];
}

/** Asks whether a document equals another as jsonb, with the same type. */
export interface ContentQuestion {
  /** Identifies the question in `Snapshot.answers`. */
  readonly asker: object;
  readonly row: ObjectRow;
  readonly against: 'stored' | ObjectRow;
}

/** What a decision is made from; all of it read under the slot locks. */
export interface Snapshot {
  /** Slots that somebody else holds: nothing may be decided or written for their objects. */
  readonly heldSlots: ReadonlySet<number>;
  /** States by id; an id without one was never stored. */
  readonly states: ReadonlyMap<string, StoredState>;
  /** The epochs that known claims were given, by `claimKey`. */
  readonly claims: ReadonlyMap<string, number>;
  readonly answers: ReadonlyMap<object, boolean>;
}

export function claimKey(id: string, claim: string): string {
  return `${claim}/${id}`;
}

/** What to write. */
export interface WriteDecision {
  /** In order. */
  readonly passes: readonly Changes[];
  /** The saves that would take the place of a row if it were refused, next first. */
  readonly older: (row: WrittenRow) => readonly ObjectRow[];
  /** Whether no other command of the batch concerns the object of a row, so that nothing rests on it. */
  readonly isAlone: (row: WrittenRow) => boolean;
  readonly questions?: undefined;
}

/** Either questions that must be answered first, or what to write. */
export type Decision = { readonly questions: readonly ContentQuestion[] } | WriteDecision;

export interface WriteRequest {
  /** Lock slots of all objects, ascending, each once. */
  readonly slots: readonly number[];
  /**
   * Saves without condition, each the only command of its object. A session may presume that all of them are newer than
   * what is stored, and write them without reading that: it is so if all go through their guard.
   */
  readonly presumable: readonly ObjectRow[];
  /** All other objects whose state is needed, each once. */
  readonly ids: readonly string[];
  readonly claims: readonly ClaimKey[];
  /** Rows of other objects that will probably be written; a large batch sends them ahead of the locks. */
  readonly candidates: readonly ObjectRow[];
  /**
   * Decides what to write. Called under the locks, again after questions were answered, and anew in a later
   * transaction if this one fails; so it starts from nothing each time.
   *
   * @param presumed whether the presumable rows are written already, so that only the others are decided about.
   */
  readonly decide: (snapshot: Snapshot, presumed: boolean) => Decision;
  /** Find the rows that the database refuses instead of failing at the first. */
  readonly isolate: boolean;
}

export interface WriteResult {
  /** Slots that could not be locked at once; their objects were left alone. */
  readonly heldSlots: ReadonlySet<number>;
  /** How the rows were sent. */
  readonly path: 'rows' | 'copy';
  /** Whether the presumable rows were written as they are, without having been decided about. */
  readonly presumed: boolean;
  /** Rows inserted, updated or deleted. */
  readonly rows: number;
  /** Of an isolating write: rows that the database refused, and on which nothing rests; the others are written. */
  readonly refused: readonly RefusedRow[];
}

/** A row that the database refused. */
export interface RefusedRow {
  /** What was to be written, as it stands in the decision; or compared, as it stands in the question. */
  readonly row: WrittenRow;
  readonly error: StoreError;
}

export type WrittenRow = ObjectRow | TombstoneRow | EpochRow;

/** Thrown by an isolating write: nothing was written; without these rows it would have been. */
export class RowsRefusedError extends Error {
  override readonly name = 'RowsRefusedError';
  readonly refused: readonly RefusedRow[];
  /** Rows that it does take: of the same pass, and older ones in the place of refused ones. */
  readonly acceptedCount: number;

  constructor(refused: readonly RefusedRow[], acceptedCount: number) {
    super(`the database refuses ${refused.length} row(s)`);
    this.refused = refused;
    this.acceptedCount = acceptedCount;
  }
}

/** What is forgotten some time after it was of use; letters only once they are closed. */
export const PURGED_KINDS = ['tombstones', 'claims', 'letters'] as const;
export type PurgedKind = (typeof PURGED_KINDS)[number];

export interface Purged {
  readonly rows: number;
  /** For the next call of the same run, which then does not look again at older rows that have to stay. */
  readonly reached: string | undefined;
}

/** Reads on a connection of its own, one call at a time. */
export interface ReadSession {
  /**
   * Reads what is committed. Ids may repeat; the result has one entry for each, in order.
   *
   * @param bounds on documents; none if not given.
   * @throws StoreError
   */
  load(wanted: readonly LoadWanted[], bounds?: LoadBounds): Promise<LoadedObject[]>;
  /** Live objects of one type in byte order of their ids; fewer than the limit where bytes are bounded. @throws StoreError */
  list(wanted: ListWanted): Promise<LoadedObject[]>;
  /** Whether the database answers and has the schema. @throws StoreError */
  probe(): Promise<void>;
  /** Forgets rows of one kind of at least that age, at most `rowsMax`. @throws StoreError */
  purge(kind: PurgedKind, olderThanMs: number, rowsMax: number, from?: string): Promise<Purged>;
  close(): Promise<void>;
}

/** Writes, one transaction at a time, and reads behind them. */
export interface WriteSession extends ReadSession {
  /**
   * Runs one transaction: locks, reads, decides, writes, commits.
   *
   * @throws StoreError: of class `row` if the database refused something (try again with `isolate`), of another class
   *   if the same request may succeed later. `RowsRefusedError` if `isolate` is set and rows were refused. After an
   *   error nothing was written, except that a lost connection leaves it unknown; the same request then finds out.
   */
  write(request: WriteRequest): Promise<WriteResult>;
}

/** That a process begins to work on a frame that it may die of. */
export interface SuspectNote {
  /** UUID. */
  readonly frameId: string;
  /** UUID of this beginning: noted again, it is the same. */
  readonly beginningId: string;
  /** UUID of the process. */
  readonly ownerId: string;
  /** Its name, for people. */
  readonly worker: string;
}

/** Notes of frames that processes die of, each seen by all workers at once. */
export interface SuspectSession {
  /**
   * Writes down that frames are begun together: of several, those in front of the first that others ended over.
   *
   * @returns for each, how many other processes began it within a day and never took that back.
   * @throws StoreError
   */
  beginSuspects(notes: readonly SuspectNote[]): Promise<number[]>;
  /** Takes beginnings back; safe twice. @throws StoreError */
  withdrawSuspects(beginningIds: readonly string[]): Promise<void>;
  /** The frames were survived: forgets who began them. @throws StoreError */
  endSuspects(frameIds: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

export interface LoadWanted {
  readonly id: string;
  readonly document: boolean;
}

/** How much of documents is read at once, in bytes of jsonb's text. */
export interface LoadBounds {
  /** Of all together; at least one document is read that is not too large by itself. */
  readonly bytesMax: number;
  /** Of one. */
  readonly documentBytesMax: number;
}

/** What a load finds. */
export interface LoadedObject {
  readonly id: string;
  readonly live: boolean;
  readonly version: number;
  readonly epoch: number;
  readonly type: string | undefined;
  readonly nextRcseq: number | undefined;
  /** jsonb's text; only where it was wanted and the object is live. */
  readonly document: string | undefined;
  /** Why it lacks a wanted document: there was no `room` for it beside the others, or its `size` is above the bound. */
  readonly lacks?: 'room' | 'size' | undefined;
}

export interface ListWanted {
  readonly type: string;
  readonly after: string | undefined;
  readonly limit: number;
  readonly documents: boolean;
  /** With documents: no more of them than are stored in so many bytes, but at least one. Default: no bound. */
  readonly storedBytesMax?: number;
}

/** Opens sessions; a session connects when it is first used. */
export interface Store {
  openWriteSession(): WriteSession;
  openReadSession(): ReadSession;
  openSuspectSession(): SuspectSession;
}
