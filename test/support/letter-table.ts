/** The table of dead letters as tests look at it. */
import { eventually } from './eventually.ts';
import type { Scratch } from './scratch.ts';

export interface TableLetter {
  readonly number: number;
  readonly letterId: string;
  readonly code: string;
  readonly objectId: string | null;
  readonly objectType: string | null;
  readonly version: number | null;
  readonly partition: string | null;
  readonly node: string | null;
  readonly headers: Record<string, unknown>;
  readonly body: string;
  readonly failedAt: string;
  readonly publishedAt: string | null;
  readonly outcome: string | null;
  readonly open: boolean;
  readonly dropped: boolean;
}

/** All letters in the order in which they were put in. */
export async function tableLetters(scratch: Scratch): Promise<TableLetter[]> {
  const { rows } = await scratch.sql.query<TableLetter>(`
    SELECT number::int, letter_id AS "letterId", code, object_id AS "objectId", object_type AS "objectType",
           version::float8, partition, node, headers, convert_from(body, 'UTF8') AS body,
           to_char(failed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "failedAt",
           to_char(published_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "publishedAt",
           replay_outcome AS outcome, replayed_at IS NULL AND dropped_at IS NULL AS open,
           dropped_at IS NOT NULL AS dropped
    FROM holdfast_dead_letters ORDER BY number`);
  return rows;
}

/** The letters, once there are so many. */
export async function untilTableHas(scratch: Scratch, count: number): Promise<TableLetter[]> {
  return await eventually(async () => {
    const letters = await tableLetters(scratch);
    return letters.length >= count && letters;
  });
}

export async function emptyTable(scratch: Scratch): Promise<void> {
  await scratch.sql.query('TRUNCATE holdfast_dead_letters');
}
