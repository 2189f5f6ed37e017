/** One connection for reading, opened when first needed and again after it was lost. */
import type { Connection } from './connection.ts';
import { listObjects } from './list-objects.ts';
import { loadObjects } from './load-objects.ts';
import { purgeClaims } from './purge-claims.ts';
import { purgeLetters } from './purge-letters.ts';
import { purgeTombstones } from './purge-tombstones.ts';
import { checkSchema } from './schema-version.ts';
import type { ListWanted, LoadBounds, LoadedObject, LoadWanted, Purged, PurgedKind } from './store.ts';
import { StoreError } from './store-error.ts';

export class ReadSession {
  readonly #open: () => Promise<Connection>;
  readonly #closing = new AbortController();
  #connection: Connection | undefined;

  constructor(open: () => Promise<Connection>) {
    this.#open = open;
  }

  /** One result for each wanted, in order. @throws StoreError */
  async load(wanted: readonly LoadWanted[], bounds?: LoadBounds): Promise<LoadedObject[]> {
    if (wanted.length === 0) return [];
    return await this.run((connection) => loadObjects(connection, wanted, bounds));
  }

  /** @throws StoreError */
  async list(wanted: ListWanted): Promise<LoadedObject[]> {
    return await this.run((connection) => listObjects(connection, wanted));
  }

  /** Whether the database answers and has the schema. @throws StoreError */
  async probe(): Promise<void> {
    await this.run(checkSchema);
  }

  /** Forgets rows of one kind of at least that age, at most `rowsMax`. @throws StoreError */
  async purge(kind: PurgedKind, olderThanMs: number, rowsMax: number, from?: string): Promise<Purged> {
    return await this.run(async (connection) => {
      if (kind === 'tombstones') return await purgeTombstones(connection, olderThanMs, rowsMax, from);
      const purgeRows = kind === 'claims' ? purgeClaims : purgeLetters;
      // Of these nothing old enough stays, so each call begins where the last has ended.
      return { rows: await purgeRows(connection, olderThanMs, rowsMax), reached: undefined };
    });
  }

  /** Ends the connection, whatever runs on it; what is called later fails. Safe twice. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#connection?.close();
  }

  /**
   * Runs something on the live connection. After a systemic failure the next call has a new one: what failed may be a
   * matter of the session, such as a plan made before its table was altered, or a server that is no longer the primary.
   */
  protected async run<T>(action: (connection: Connection) => Promise<T>): Promise<T> {
    const connection = await this.#connected();
    try {
      await connection.refreshPlans();
      return await action(connection);
    } catch (error) {
      if (error instanceof StoreError && error.failure === 'systemic') await connection.close();
      throw error;
    }
  }

  async #connected(): Promise<Connection> {
    if (this.#connection?.usable === true) return this.#connection;
    const { signal } = this.#closing;
    const opening = this.#open();
    try {
      this.#connection = await unlessAborted(opening, signal);
      return this.#connection;
    } catch (error) {
      // Nobody waits for it any more; what it opens is closed again.
      if (signal.aborted) {
        opening.then(
          (connection) => connection.close(),
          () => undefined,
        );
      }
      throw error;
    }
  }
}

/** Opening to a server that is silent takes as long as its timeout; closing must not. @throws StoreError */
async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return await new Promise<T>((resolve, reject) => {
    const abort = (): void => {
      reject(new StoreError('the session is closed', { failure: 'systemic', connectionLost: true }));
    };
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
