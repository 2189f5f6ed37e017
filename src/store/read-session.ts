/** One connection for reading, opened when first needed and again after it was lost. */
import type { Connection } from './connection.ts';
import { listObjects } from './list-objects.ts';
import { loadObjects } from './load-objects.ts';
import { purgeClaims } from './purge-claims.ts';
import { purgeTombstones } from './purge-tombstones.ts';
import { checkSchema } from './schema-version.ts';
import type { ListWanted, LoadedObject, LoadWanted } from './store.ts';

export class ReadSession {
  readonly #open: () => Promise<Connection>;
  #connection: Connection | undefined;
  #closed = false;

  constructor(open: () => Promise<Connection>) {
    this.#open = open;
  }

  /** One result for each wanted, in order. @throws StoreError */
  async load(wanted: readonly LoadWanted[]): Promise<LoadedObject[]> {
    if (wanted.length === 0) return [];
    return await loadObjects(await this.connection(), wanted);
  }

  /** @throws StoreError */
  async list(wanted: ListWanted): Promise<LoadedObject[]> {
    return await listObjects(await this.connection(), wanted);
  }

  /** Whether the database answers and has the schema. @throws StoreError */
  async probe(): Promise<void> {
    await checkSchema(await this.connection());
  }

  /** Forgets tombstones and claims of at least that age. @throws StoreError */
  async purge(olderThanMs: number, rowsMax: number): Promise<number> {
    const connection = await this.connection();
    return (
      (await purgeTombstones(connection, olderThanMs, rowsMax)) +
      (await purgeClaims(connection, olderThanMs, rowsMax))
    );
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#connection?.close();
  }

  /** The live connection. One caller at a time. @throws StoreError */
  protected async connection(): Promise<Connection> {
    if (this.#connection?.usable === true) return this.#connection;
    const connection = await this.#open();
    this.#connection = connection;
    if (this.#closed) await connection.close();
    return connection;
  }
}
