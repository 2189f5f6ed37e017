/** The open letters of one object, the oldest first. For tools. */
import type { Queryable } from './connection.ts';
import { IS_OPEN } from './letter-filter.ts';

/** $1 object id, $2 integer most rows. Number, code and time of each, and in every row how many there are. */
const LETTERS_OF_OBJECT = {
  text: `
    SELECT number, code, to_char(failed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), count(*) OVER ()
    FROM holdfast_dead_letters
    WHERE object_id = $1 AND ${IS_OPEN}
    ORDER BY failed_at, number
    LIMIT $2::integer`,
};

export interface ObjectLetter {
  readonly number: number;
  readonly code: string;
  /** ISO 8601. */
  readonly failedAt: string;
}

/** The oldest few, and how many there are in all. @throws StoreError */
export async function readLettersOfObject(
  connection: Queryable,
  objectId: string,
  limit: number,
): Promise<{ readonly letters: ObjectLetter[]; readonly count: number }> {
  const { rows } = await connection.query<[number: string, code: string, failedAt: string, count: string]>(
    LETTERS_OF_OBJECT,
    [objectId, limit],
  );
  const letters = rows.map(([number, code, failedAt]) => ({ number: Number(number), code, failedAt }));
  return { letters, count: Number(rows[0]?.[3] ?? 0) };
}
