/** The ways to write many rows in one statement or transaction that the ceiling is the best of, all with one guard. */
import type { Client } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { bigintArray, jsonbArray, varcharArray } from '../../src/store/binary-array.ts';
import { CopyRoom, encodeCopyRows } from '../../src/store/copy-rows.ts';
import { CREATE_STAGING } from '../../src/store/stage-objects.ts';
import type { ObjectRow } from '../../src/store/store.ts';

export const STRATEGIES = ['values', 'unnest', 'recordset', 'copy', 'copy-merge'] as const;
export type Strategy = (typeof STRATEGIES)[number];

/** A row as it lies in memory, its document as text or as bytes: what the strategy does not take is empty. */
export interface CeilingRow extends ObjectRow {
  readonly text: string;
}

interface Way {
  readonly takes: 'text' | 'bytes';
  /** Once per connection, before the clock. */
  readonly prepare?: (client: Client) => Promise<unknown>;
  readonly write: (client: Client, rows: readonly CeilingRow[]) => Promise<unknown>;
}

const INSERT = 'INSERT INTO goverse_objects (object_id, object_type, data, version, epoch)';

const GUARD = `
  ON CONFLICT (object_id) DO UPDATE
  SET object_type = excluded.object_type, data = excluded.data, version = excluded.version, epoch = excluded.epoch,
      updated_at = CURRENT_TIMESTAMP
  WHERE goverse_objects.version < excluded.version AND goverse_objects.epoch <= excluded.epoch`;

const COLUMNS = 5;

const values: Way = {
  takes: 'text',
  write: (client, rows) => {
    const tuples = rows.map((_, row) => {
      const at = row * COLUMNS;
      return `($${at + 1}, $${at + 2}, $${at + 3}, $${at + 4}, $${at + 5})`;
    });
    return client.query({
      // One plan per number of rows, which is always the same but for the last batch.
      name: `values-${rows.length}`,
      text: `${INSERT} VALUES ${tuples.join(', ')} ${GUARD}`,
      values: rows.flatMap(({ id, type, text, version, epoch }) => [id, type, text, version, epoch]),
    });
  },
};

const unnest: Way = {
  takes: 'bytes',
  write: (client, rows) =>
    client.query({
      name: 'unnest',
      text: `${INSERT} SELECT * FROM unnest($1::varchar[], $2::varchar[], $3::jsonb[], $4::bigint[], $5::bigint[]) ${GUARD}`,
      values: [
        varcharArray(rows.map(({ id }) => id)),
        varcharArray(rows.map(({ type }) => type)),
        jsonbArray(rows),
        bigintArray(rows.map(({ version }) => version)),
        bigintArray(rows.map(({ epoch }) => epoch)),
      ],
    }),
};

const recordset: Way = {
  takes: 'text',
  write: (client, rows) => {
    const items = rows.map(
      ({ id, type, text, version, epoch }) =>
        `{"i":${JSON.stringify(id)},"t":${JSON.stringify(type)},"d":${text},"v":${version},"e":${epoch}}`,
    );
    return client.query({
      name: 'recordset',
      text: `${INSERT}
        SELECT i, t, d, v, e FROM json_to_recordset($1::json) AS given (i varchar, t varchar, d jsonb, v bigint, e bigint)
        ${GUARD}`,
      values: [`[${items.join(',')}]`],
    });
  },
};

/** COPY into a staging table, then one statement that moves the rows from it. */
const copyAnd = (move: string): Way => ({
  takes: 'bytes',
  prepare: async (client) => {
    await client.query(CREATE_STAGING.text);
    // A plan made while the table is empty would read all of it for each batch, as it grows (MERGE, by EXPLAIN).
    await client.query('SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_material = off');
  },
  write: async (client, rows) => {
    await client.query('BEGIN');
    await new Promise<void>((resolve, reject) => {
      const stream = client.query(
        copyFrom(`
          COPY pg_temp.holdfast_staging (ord, object_id, object_type, version, epoch, next_rcseq, data)
          FROM STDIN WITH (FORMAT binary)`),
      );
      stream.on('error', reject);
      stream.on('finish', resolve);
      stream.end(encodeCopyRows(rows, roomOf(client)));
    });
    await client.query({ name: 'move', text: move });
    await client.query('COMMIT');
  },
});

const copy = copyAnd(`
  ${INSERT}
  SELECT object_id, object_type, data, version, epoch FROM pg_temp.holdfast_staging ${GUARD}`);

/** PostgreSQL 15 or newer. */
const copyMerge = copyAnd(`
  MERGE INTO goverse_objects AS stored
  USING pg_temp.holdfast_staging AS given ON stored.object_id = given.object_id
  WHEN NOT MATCHED THEN
    INSERT (object_id, object_type, data, version, epoch)
    VALUES (given.object_id, given.object_type, given.data, given.version, given.epoch)
  WHEN MATCHED AND stored.version < given.version AND stored.epoch <= given.epoch THEN
    UPDATE SET object_type = given.object_type, data = given.data, version = given.version, epoch = given.epoch,
      updated_at = CURRENT_TIMESTAMP`);

export const WAYS: Readonly<Record<Strategy, Way>> = {
  values,
  unnest,
  recordset,
  copy,
  'copy-merge': copyMerge,
};

/** One for each connection, as Holdfast has it. */
const rooms = new WeakMap<Client, CopyRoom>();

function roomOf(client: Client): CopyRoom {
  const room = rooms.get(client) ?? new CopyRoom();
  rooms.set(client, room);
  return room;
}
