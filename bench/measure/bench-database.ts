/** The scratch database: emptied and filled before every measurement in one way for all, and checked after it. */
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { BASE_VERSION, documentOf, idOf, OBJECT_TYPE } from '../workloads/objects.ts';
import type { Expected } from '../workloads/workload.ts';

/** What the table holds when everything is written, seen by one command of each partition: its last. */
export interface LastCommand {
  readonly id: string;
  /** 0: deleted. */
  readonly version: number;
}

const COPY_CHUNK_BYTES = 1_048_576;
/** Costs a third of a millisecond each time; what it adds to a measurement is counted against the worker. */
const POLL_MS = 20;

/** $1 ids, $2 versions: how many of them are as they will be in the end. */
const COUNT_REACHED = `
  SELECT count(*)::int AS reached
  FROM unnest($1::varchar[], $2::bigint[]) AS last (id, version)
  LEFT JOIN goverse_objects o ON o.object_id = last.id
  WHERE CASE WHEN last.version = 0 THEN o.object_id IS NULL ELSE o.version >= last.version END`;

export class BenchDatabase {
  readonly #client: Client;
  readonly #signal: AbortSignal;
  #mayCheckpoint = true;

  private constructor(client: Client, signal: AbortSignal) {
    this.#client = client;
    this.#signal = signal;
  }

  static async open(databaseUrl: string, signal: AbortSignal): Promise<BenchDatabase> {
    const client = new Client({ connectionString: databaseUrl });
    await client.connect();
    // The table grows from nothing while it is polled, and must not be scanned for that; a plan that was made while it
    // was empty reads all of its index each time.
    await client.query(`
      SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;
      SET plan_cache_mode = force_custom_plan`);
    return new BenchDatabase(client, signal);
  }

  /** An empty table, or one with so many objects at the base version, vacuumed, with all of it on disk. */
  async reset(seedRows: number, documentBytes: number): Promise<void> {
    await this.#client.query('TRUNCATE goverse_objects, holdfast_tombstones, holdfast_claims');
    if (seedRows > 0) await this.#seed(seedRows, documentBytes);
    await this.settle();
  }

  /** What was written before is none of the next contender's business. */
  async settle(): Promise<void> {
    if (!this.#mayCheckpoint) return;
    try {
      await this.#client.query('CHECKPOINT');
    } catch {
      // A given server may not let us; then it is the same for all.
      this.#mayCheckpoint = false;
    }
  }

  /** The indexes are made afterwards, so that five million rows take minutes and not hours. */
  async #seed(rows: number, documentBytes: number): Promise<void> {
    const { rows: indexes } = await this.#client.query<{ indexdef: string; indexname: string }>(
      `SELECT indexname, indexdef FROM pg_indexes
       WHERE tablename = 'goverse_objects' AND indexname <> 'goverse_objects_pkey'`,
    );
    await this.#client.query('ALTER TABLE goverse_objects DROP CONSTRAINT goverse_objects_pkey');
    for (const { indexname } of indexes) await this.#client.query(`DROP INDEX ${indexname}`);
    const stream = this.#client.query(
      copyFrom('COPY goverse_objects (object_id, object_type, data, version) FROM STDIN'),
    );
    let chunk: string[] = [];
    let bytes = 0;
    const send = async (): Promise<void> => {
      if (this.#signal.aborted) stream.destroy();
      this.#signal.throwIfAborted();
      if (!stream.write(chunk.join(''))) await once(stream, 'drain');
      chunk = [];
      bytes = 0;
    };
    for (let index = 0; index < rows; index += 1) {
      // Documents have no backslash, tab or newline, so they need no escaping.
      const line = `${idOf(index)}\t${OBJECT_TYPE}\t${documentOf(index, 0, documentBytes)}\t${BASE_VERSION}\n`;
      chunk.push(line);
      bytes += line.length;
      if (bytes >= COPY_CHUNK_BYTES) await send();
    }
    await send();
    stream.end();
    await once(stream, 'finish');
    await this.#client.query('ALTER TABLE goverse_objects ADD PRIMARY KEY (object_id)');
    for (const { indexdef } of indexes) await this.#client.query(indexdef);
    await this.#client.query('VACUUM (ANALYZE) goverse_objects');
  }

  /** Resolves when all of these are committed. */
  async untilReached(last: readonly LastCommand[], signal: AbortSignal): Promise<void> {
    const values = [last.map(({ id }) => id), last.map(({ version }) => version)];
    for (;;) {
      const { rows } = await this.#client.query<{ reached: number }>({
        name: 'count-reached',
        text: COUNT_REACHED,
        values,
      });
      if (rows[0]?.reached === last.length) return;
      await delay(POLL_MS, undefined, { signal });
    }
  }

  /** @throws if a row is missing, too many or stale. */
  async verify(expected: Expected, who: string): Promise<void> {
    const { rows } = await this.#client.query<{ rows: string; sum: string }>(
      `SELECT count(*) AS rows, coalesce(sum(version - ${BASE_VERSION}), 0) AS sum FROM goverse_objects`,
    );
    const found = { rows: Number(rows[0]?.rows), versionSum: Number(rows[0]?.sum) };
    if (found.rows === expected.rows && found.versionSum === expected.versionSum) return;
    throw new Error(`${who} wrote ${JSON.stringify(found)} instead of ${JSON.stringify(expected)}`);
  }

  /** The same for a few objects of a large table. */
  async verifyVersions(versions: readonly LastCommand[], who: string): Promise<void> {
    const { rows } = await this.#client.query<{ reached: number }>(COUNT_REACHED, [
      versions.map(({ id }) => id),
      versions.map(({ version }) => version),
    ]);
    const reached = rows[0]?.reached;
    if (reached !== versions.length) {
      throw new Error(`${who} wrote ${reached} of ${versions.length} rows`);
    }
  }

  async run(statement: string): Promise<void> {
    await this.#client.query(statement);
  }

  async setting(name: string): Promise<string> {
    const { rows } = await this.#client.query<{ value: string }>('SELECT current_setting($1) AS value', [
      name,
    ]);
    return rows[0]?.value ?? '';
  }

  async close(): Promise<void> {
    await this.#client.end();
  }
}
