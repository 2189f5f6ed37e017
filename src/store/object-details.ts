/** Everything that the tables say of one object: its row, its tombstone, and what it weighs. For tools. */
import type { Queryable } from './connection.ts';

/**
 * $1 id, $2 whether the document is wanted. One row: `row` and `tombstone` as JSON, null where there is none; the keys
 * are the properties below. Times are in UTC; sizes are bytes as stored (compressed) and as jsonb's text.
 */
const OBJECT_DETAILS = {
  text: `
    SELECT (SELECT json_build_object(
              'type', o.object_type, 'version', o.version, 'epoch', o.epoch, 'nextRcseq', o.next_rcseq,
              'createdAt', to_char(o.created_at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
              'updatedAt', to_char(o.updated_at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
              'storedBytes', pg_column_size(o.data), 'textBytes', octet_length(o.data::text),
              'document', CASE WHEN $2::boolean THEN o.data::text END)
            FROM goverse_objects o WHERE o.object_id = $1),
           (SELECT json_build_object(
              'version', t.version, 'epoch', t.epoch,
              'changedAt', to_char(t.changed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
            FROM holdfast_tombstones t WHERE t.object_id = $1)`,
};

interface ObjectRowDetails {
  readonly type: string;
  readonly version: number;
  readonly epoch: number;
  readonly nextRcseq: number;
  /** ISO 8601, UTC; also below. */
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly storedBytes: number;
  readonly textBytes: number;
  /** jsonb's text; null where it was not wanted. */
  readonly document: string | null;
}

interface TombstoneDetails {
  readonly version: number;
  readonly epoch: number;
  readonly changedAt: string;
}

/** Both exist only where a writer bypassed Holdfast; the higher version and epoch then count. */
export interface ObjectDetails {
  readonly row: ObjectRowDetails | undefined;
  readonly tombstone: TombstoneDetails | undefined;
}

/** @throws StoreError */
export async function readObjectDetails(
  connection: Queryable,
  id: string,
  withDocument: boolean,
): Promise<ObjectDetails> {
  const { rows } = await connection.query<[row: ObjectRowDetails | null, tombstone: TombstoneDetails | null]>(
    OBJECT_DETAILS,
    [id, withDocument],
  );
  const [row, tombstone] = rows[0] ?? [];
  return { row: row ?? undefined, tombstone: tombstone ?? undefined };
}
