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
  /** Open while anything stands: mostly nothing does, and a connection is one of few. */
  #session: SuspectSession | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #sweeping: Promise<void> | undefined;

  constructor(options: SuspectNotesOptions) {
    this.#options = options;
  }

  /**
   * Writes it down; if it is not known whether that succeeded, `withdraw` makes good.
   *
   * @returns how many other processes began the frame and ended over it.
   * @throws StoreError
   */
  async begin({ frameId, beginningId }: Beginning): Promise<number> {
    const note = { frameId, beginningId, ownerId: this.#ownerId, worker: this.#options.workerName };
    return await this.#inTurn((session) => {
      this.#standing.add(beginningId);
      return session.beginSuspect(note);
    });
  }

  /** The frame was survived, whoever began it before. Resolves when that is written down, or could not be at once. */
  async end({ frameId, beginningId }: Beginning): Promise<void> {
    try {
      await this.#inTurn(async (session) => {
        await session.endSuspect(frameId);
        this.#standing.delete(beginningId);
      });
    } catch {
      this.withdraw({ frameId, beginningId });
    }
  }

  /** The frame is not worked on alone any more, and nothing is known of it. Takes its time; safe twice. */
  withdraw({ beginningId }: Beginning): void {
    if (!this.#standing.has(beginningId)) return;
    this.#unwanted.add(beginningId);
    this.#sweeping ??= this.#sweep().finally(() => {
      this.#sweeping = undefined;
    });
  }

  /** The process ends over the frame, if in order: the note stays for the next one to see. */
  blame({ beginningId }: Beginning): void {
    this.#standing.delete(beginningId);
    this.#unwanted.delete(beginningId);
  }

  /** Takes back what stands, if the database lets it within seconds. Safe twice; nothing is begun afterwards. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#sweeping;
    if (this.#standing.size > 0) {
      const timeout = new AbortController();
      const removed = this.#remove([...this.#standing]).catch(() => undefined);
      await Promise.race([removed, pause(CLOSE_TIMEOUT_MS, timeout.signal)]);
      timeout.abort();
    }
    await this.#session?.close();
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
      this.#session ??= this.#options.openSession();
      try {
        return await action(this.#session);
      } finally {
        if (this.#standing.size === 0) {
          await this.#session.close();
          this.#session = undefined;
        }
      }
    });
    this.#last = turn.catch(() => undefined);
    return await turn;
  }
}
