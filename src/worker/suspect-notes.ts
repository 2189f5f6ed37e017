/**
 * What this process has written down about frames that it may die of, and the taking back of it.
 *
 * A note that stands although its writer lives would be read as a death by the next worker. So one that cannot be taken
 * back is tried again until it can, and at the stop all that are left are taken back together.
 */
import { randomUUID } from 'node:crypto';
import { backoffMs, pause } from '../broker/backoff.ts';
import type { SuspectSession } from '../store/store.ts';

export interface SuspectNotesOptions {
  readonly openSession: () => SuspectSession;
  readonly workerName: string;
  readonly retryDelayMsMin: number;
  readonly retryDelayMsMax: number;
}

/** That a frame is worked on. */
export interface Beginning {
  /** UUIDs. */
  readonly frameId: string;
  readonly beginningId: string;
}

/** What came of writing down that frames are begun together. */
export interface Begun {
  /** For each: how many other processes began the frame and ended over it. */
  readonly deaths: readonly number[];
  /** So many, from the first on, were written down: one always, of several those in front of the first with deaths. */
  readonly count: number;
}

/**
 * How long the connection stays after the last note was taken back. Suspects are begun one group after the other: a
 * connection for each would take longer than the work, ten round trips and a password's hash.
 */
const SESSION_IDLE_MS = 10_000;

/** How long the stop waits for the last notes to be taken back. */
const CLOSE_TIMEOUT_MS = 2_000;

export class SuspectNotes {
  readonly #options: SuspectNotesOptions;
  readonly #ownerId = randomUUID();
  readonly #closing = new AbortController();
  /** Ids of beginnings that may stand in the database. */
  readonly #standing = new Set<string>();
  /** Those of them that must go. */
  readonly #unwanted = new Set<string>();
  /** Open while anything stands, and a little longer: mostly nothing does, and a connection is one of few. */
  #session: SuspectSession | undefined;
  #sessionTimer: NodeJS.Timeout | undefined;
  #idleSession: Promise<void> | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #sweeping: Promise<void> | undefined;

  constructor(options: SuspectNotesOptions) {
    this.#options = options;
  }

  /**
   * Writes them down; if it is not known whether that succeeded, `withdraw` makes good.
   *
   * @throws StoreError
   */
  async begin(beginnings: readonly Beginning[]): Promise<Begun> {
    const note = { ownerId: this.#ownerId, worker: this.#options.workerName };
    return await this.#inTurn(async (session) => {
      for (const { beginningId } of beginnings) this.#standing.add(beginningId);
      const deaths = await session.beginSuspects(beginnings.map((beginning) => ({ ...beginning, ...note })));
      const known = deaths.findIndex((over) => over > 0);
      const count = beginnings.length > 1 && known >= 0 ? known : beginnings.length;
      for (const { beginningId } of beginnings.slice(count)) this.#standing.delete(beginningId);
      return { deaths, count };
    });
  }

  /** The frames were survived, whoever began them before. Resolves when that is written down, or could not be at once. */
  async end(beginnings: readonly Beginning[]): Promise<void> {
    if (beginnings.length === 0) return;
    try {
      await this.#inTurn(async (session) => {
        await session.endSuspects(beginnings.map(({ frameId }) => frameId));
        for (const { beginningId } of beginnings) this.#standing.delete(beginningId);
      });
    } catch {
      this.withdraw(beginnings);
    }
  }

  /** The frames are not worked on alone any more, and nothing is known of them. Takes its time; safe twice. */
  withdraw(beginnings: readonly Beginning[]): void {
    for (const { beginningId } of beginnings) {
      if (this.#standing.has(beginningId)) this.#unwanted.add(beginningId);
    }
    if (this.#unwanted.size === 0) return;
    this.#sweeping ??= this.#sweep();
  }

  /** The process ends over the frames, if in order: the notes stay for the next one to see. */
  blame(beginnings: readonly Beginning[]): void {
    for (const { beginningId } of beginnings) {
      this.#standing.delete(beginningId);
      this.#unwanted.delete(beginningId);
    }
  }

  /** Takes back what stands, if the database lets it within seconds. Safe twice; nothing is begun afterwards. */
  async close(): Promise<void> {
    this.#closing.abort();
    clearTimeout(this.#sessionTimer);
    await this.#sweeping;
    if (this.#standing.size > 0) {
      const timeout = new AbortController();
      const removed = this.#remove([...this.#standing]).catch(() => undefined);
      await Promise.race([removed, pause(CLOSE_TIMEOUT_MS, timeout.signal)]);
      timeout.abort();
    }
    await this.#session?.close();
    await this.#idleSession;
  }

  /** Until nothing unwanted stands, or the worker stops. */
  async #sweep(): Promise<void> {
    const { retryDelayMsMin, retryDelayMsMax } = this.#options;
    const { signal } = this.#closing;
    for (let retry = 0; this.#unwanted.size > 0 && !signal.aborted; retry += 1) {
      try {
        await this.#remove([...this.#unwanted]);
        retry = -1;
      } catch {
        await pause(backoffMs(retry, retryDelayMsMin, retryDelayMsMax), signal);
      }
    }
    // In this turn, so that nothing unwanted is added to a sweep that is over.
    this.#sweeping = undefined;
  }

  async #remove(beginningIds: readonly string[]): Promise<void> {
    await this.#inTurn(async (session) => {
      await session.withdrawSuspects(beginningIds);
      for (const beginningId of beginningIds) {
        this.#standing.delete(beginningId);
        this.#unwanted.delete(beginningId);
      }
    });
  }

  /** One at a time: a session is one connection. */
  async #inTurn<T>(action: (session: SuspectSession) => Promise<T>): Promise<T> {
    const turn = this.#last.then(async () => {
      clearTimeout(this.#sessionTimer);
      this.#session ??= this.#options.openSession();
      try {
        return await action(this.#session);
      } finally {
        if (this.#standing.size === 0) this.#closeSessionWhenIdle();
      }
    });
    this.#last = turn.catch(() => undefined);
    return await turn;
  }

  #closeSessionWhenIdle(): void {
    // The stop closes it.
    if (this.#closing.signal.aborted) return;
    this.#sessionTimer = setTimeout(() => {
      this.#idleSession = this.#session?.close();
      this.#session = undefined;
    }, SESSION_IDLE_MS);
  }
}
