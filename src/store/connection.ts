/** One connection to PostgreSQL with the session settings that Holdfast's promises rest on. */
import { Client, type ClientConfig, type QueryArrayConfig, type QueryArrayResult } from 'pg';
import { StoreError, toStoreError } from './store-error.ts';

export interface ConnectionOptions {
  readonly databaseUrl: string;
  /** Shown in pg_stat_activity. */
  readonly applicationName: string;
  readonly connectTimeoutMs: number;
  readonly lockTimeoutMs: number;
  readonly statementTimeoutMs: number;
  readonly idleInTransactionTimeoutMs: number;
  readonly tcpUserTimeoutMs: number;
  /** Plan each statement once, whatever its values. Default: false. */
  readonly genericPlans?: boolean;
}

/** How long after the server should have ended a statement we give the connection up for dead. */
const ANSWER_MARGIN_MS = 5_000;

/**
 * A plan made while a table had a handful of rows may read all of it for every batch, and PostgreSQL keeps it until it
 * analyzes the table again, a minute later or never. Planned anew so often, such a plan costs seconds at most; it takes a
 * round trip, and a tenth of a millisecond for each statement.
 */
const PLANS_MS_MAX = 10_000;

/** How long an orderly end may take: one message, which the server answers by closing. */
const CLOSE_TIMEOUT_MS = 2_000;

/** What a statement runs on. */
export interface Queryable {
  query<Row extends unknown[] = unknown[]>(
    statement: Statement,
    values?: unknown[],
  ): Promise<QueryOutcome<Row>>;
}

/** A statement; with a name it is prepared once per connection. */
export interface Statement {
  readonly name?: string;
  readonly text: string;
}

export interface QueryOutcome<Row> {
  readonly rows: Row[];
  /** Rows that the statement changed or returned. */
  readonly count: number;
}

/**
 * Settings of every session.
 *
 * READ COMMITTED: each statement after the lock sees everything committed before it; under another default the races
 * that the slot lock excludes would be open again. UTC: `created_at` and `updated_at` carry no zone, so all writers
 * must mean the same one. The planner settings: it cannot know how many rows `unnest` of a parameter yields, and a
 * plan made while the table was small would scan it for ever, or all of its index once and then the copy of that for each row
 * (Materialize); with these it goes by the index. Where it then has no choice, as in a write session, one plan does for all
 * values: a plan for each would cost a small statement almost as much again as its work (one row, PostgreSQL 15: 225
 * microseconds instead of 130), and copies the arrays. jit would cost more than any of our statements takes.
 */
function sessionSettings(options: ConnectionOptions): string {
  return [
    `SET default_transaction_isolation = 'read committed'`,
    `SET lock_timeout = ${options.lockTimeoutMs}`,
    `SET statement_timeout = ${options.statementTimeoutMs}`,
    `SET idle_in_transaction_session_timeout = ${options.idleInTransactionTimeoutMs}`,
    `SET tcp_user_timeout = ${options.tcpUserTimeoutMs}`,
    `SET timezone = 'UTC'`,
    `SET enable_seqscan = off`,
    `SET enable_hashjoin = off`,
    `SET enable_mergejoin = off`,
    `SET enable_material = off`,
    `SET plan_cache_mode = ${options.genericPlans === true ? 'force_generic_plan' : 'auto'}`,
    `SET jit = off`,
    `SHOW server_encoding`,
  ].join('; ');
}

const DISCARD_PLANS = { text: 'DISCARD PLANS' };

/** In another encoding many ids and documents could not be stored, each of them found out one by one. */
function checkEncoding(encoding: string | undefined): void {
  if (encoding === 'UTF8') return;
  throw new StoreError(`the encoding of the database is ${encoding ?? 'unknown'}; it must be UTF8`, {
    failure: 'systemic',
    misconfigured: true,
  });
}

/** How `pg` is to connect. */
function clientConfig(options: ConnectionOptions): ClientConfig {
  return {
    connectionString: options.databaseUrl,
    application_name: options.applicationName,
    connectionTimeoutMillis: options.connectTimeoutMs,
    keepAlive: true,
  };
}

/** A connection that has been opened; once lost it stays lost. */
export class Connection implements Queryable {
  readonly #client: Client;
  readonly #answerTimeoutMs: number;
  #lost: StoreError | undefined;
  #plannedAt = performance.now();

  private constructor(client: Client, options: ConnectionOptions) {
    this.#client = client;
    this.#answerTimeoutMs = options.statementTimeoutMs + ANSWER_MARGIN_MS;
    client.on('error', (error) => {
      this.#lost ??= toStoreError(error);
    });
    client.on('end', () => {
      this.#lost ??= new StoreError('the connection has ended', {
        failure: 'systemic',
        connectionLost: true,
      });
    });
  }

  /** @throws StoreError */
  static async open(options: ConnectionOptions): Promise<Connection> {
    const client = new Client(clientConfig(options));
    const connection = new Connection(client, options);
    try {
      await client.connect();
      const { rows } = await connection.query<[encoding: string]>({ text: sessionSettings(options) });
      checkEncoding(rows[0]?.[0]);
    } catch (error) {
      await connection.close();
      throw toStoreError(error);
    }
    return connection;
  }

  /** Whether the connection can still be used. */
  get usable(): boolean {
    return this.#lost === undefined;
  }

  /** Has statements planned anew whose plans are old; outside any transaction. @throws StoreError */
  async refreshPlans(): Promise<void> {
    const now = performance.now();
    if (now - this.#plannedAt < PLANS_MS_MAX) return;
    this.#plannedAt = now;
    await this.query(DISCARD_PLANS);
  }

  /** @throws StoreError */
  async query<Row extends unknown[] = unknown[]>(
    statement: Statement,
    values?: unknown[],
  ): Promise<QueryOutcome<Row>> {
    return await this.answered(async (client) => {
      const config: QueryArrayConfig = { text: statement.text, rowMode: 'array' };
      if (statement.name !== undefined) config.name = statement.name;
      if (values !== undefined) config.values = values;
      const result = await client.query<Row>(config);
      // Several statements in one text give several results; the last one is of interest.
      const last = Array.isArray(result) ? (result.at(-1) as QueryArrayResult<Row>) : result;
      return { rows: last.rows, count: last.rowCount ?? 0 };
    });
  }

  /**
   * Runs something on the client and gives the connection up if no answer comes: a server behind a broken network
   * says nothing, and `statement_timeout` is its own.
   *
   * @throws StoreError
   */
  async answered<T>(run: (client: Client) => Promise<T>): Promise<T> {
    if (this.#lost !== undefined) throw this.#lost;
    const timer = setTimeout(() => {
      this.#lost ??= new StoreError(`the database did not answer within ${this.#answerTimeoutMs} ms`, {
        failure: 'systemic',
        connectionLost: true,
      });
      this.destroy();
    }, this.#answerTimeoutMs);
    try {
      return await run(this.#client);
    } catch (error) {
      const storeError = toStoreError(error);
      if (storeError.connectionLost) this.#lost ??= storeError;
      throw this.#lost ?? storeError;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Cuts the connection at once, whatever runs on it. */
  destroy(): void {
    this.#lost ??= new StoreError('the connection was closed', { failure: 'systemic', connectionLost: true });
    // pg keeps the socket in an undocumented place, the same one since 2011; there is no public way to cut it.
    (
      this.#client as unknown as { connection?: { stream?: { destroy(): void } } }
    ).connection?.stream?.destroy();
  }

  /** Ends the connection, within seconds even if the server is silent; never throws. */
  async close(): Promise<void> {
    if (!this.usable) {
      this.destroy();
      return;
    }
    this.#lost = new StoreError('the connection is closed', { failure: 'systemic', connectionLost: true });
    const timer = setTimeout(() => this.destroy(), CLOSE_TIMEOUT_MS);
    await this.#client.end().catch(() => undefined);
    clearTimeout(timer);
  }
}
