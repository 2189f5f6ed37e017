/**
 * COPY of candidate rows into the connection's temporary table, before any lock is taken: a process that is stopped
 * inside COPY cannot be ended by any timeout (the server waits for the client), but so it holds nothing that others
 * need.
 *
 * What COPY itself can refuse of a row: only that its document cannot be read, for ids and types were checked and the
 * table has no other constraint. The checks before the batch leave no such document but under a `max_stack_depth` that
 * somebody lowered (54001); tried with everything PostgreSQL refuses in jsonb, none came that far. COPY's error does name
 * the line, in a text in the server's language. It is not read: isolating costs one round trip for any number of
 * refused rows, and most of them are refused by the merge behind COPY, which names none.
 */
import { from as copyFrom } from 'pg-copy-streams';
import type { Connection } from './connection.ts';
import { type CopyRoom, encodeCopyRows } from './copy-rows.ts';
import type { ObjectRow } from './store.ts';

/** Once per connection. No key: rows are found by scanning, and `ord` is unique by construction. */
export const CREATE_STAGING = {
  text: `
    CREATE TEMPORARY TABLE holdfast_staging (
      ord         INTEGER      NOT NULL,
      object_id   VARCHAR(255) NOT NULL,
      object_type VARCHAR(255) NOT NULL,
      version     BIGINT       NOT NULL,
      epoch       BIGINT       NOT NULL,
      next_rcseq  BIGINT       NOT NULL,
      data        JSONB        NOT NULL
    ) ON COMMIT DELETE ROWS`,
};

const COPY_STAGING = `
  COPY pg_temp.holdfast_staging (ord, object_id, object_type, version, epoch, next_rcseq, data)
  FROM STDIN WITH (FORMAT binary)`;

/** Rows keep their index as `ord`. When it has resolved, the server has read all that lies in `room`. */
export async function stageObjects(
  connection: Connection,
  rows: readonly ObjectRow[],
  room: CopyRoom,
): Promise<void> {
  const bytes = encodeCopyRows(rows, room);
  await connection.answered(
    (client) =>
      new Promise<void>((resolve, reject) => {
        const stream = client.query(copyFrom(COPY_STAGING));
        stream.on('error', reject);
        stream.on('finish', resolve);
        stream.end(bytes);
      }),
  );
}

/** What becomes of a staged row: one byte per `ord`. */
export const STAGED = { ignore: 0, insert: 1, update: 2, recreate: 3 } as const;
