/** How many dead letters wait in their table for somebody to decide, and since when. For tools. */
import type { Queryable } from './connection.ts';

/** One row: how many, and the time of the oldest as a text in UTC. */
const WAITING_LETTERS = {
  text: `
    SELECT count(*), to_char(min(l.failed_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
    FROM holdfast_dead_letters l
    WHERE l.replayed_at IS NULL AND l.dropped_at IS NULL`,
};

/** An older schema lacks it. */
export const LETTERS_TABLE = 'holdfast_dead_letters';

export interface WaitingLetters {
  readonly count: number;
  /** ISO 8601; `undefined` if there is none. */
  readonly oldestFailedAt: string | undefined;
}

/** Only where there is such a table. @throws StoreError */
export async function readWaitingLetters(connection: Queryable): Promise<WaitingLetters> {
  const { rows } = await connection.query<[count: string, oldest: string | null]>(WAITING_LETTERS);
  return { count: Number(rows[0]?.[0] ?? 0), oldestFailedAt: rows[0]?.[1] ?? undefined };
}
