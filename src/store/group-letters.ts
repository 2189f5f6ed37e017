/** How many open letters there are of each code and type. For tools. */
import type { Queryable } from './connection.ts';
import { FILTER_CONDITION, filterValues, type LetterFilter } from './letter-filter.ts';

/** A row for each code and type, the thousand largest first, as JSON whose keys are the properties below. One index-only scan. */
const GROUP_LETTERS = {
  text: `
    SELECT json_build_object(
      'code', g.code, 'type', g.object_type, 'count', g.count,
      'oldestFailedAt', to_char(g.oldest AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
      'newestFailedAt', to_char(g.newest AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
    FROM (
      SELECT code, object_type, count(*) AS count, min(failed_at) AS oldest, max(failed_at) AS newest
      FROM holdfast_dead_letters
      WHERE ${FILTER_CONDITION}
      GROUP BY code, object_type) AS g
    ORDER BY g.count DESC, g.code, g.object_type
    LIMIT 1000`,
};

export interface LetterGroup {
  readonly code: string;
  readonly type: string | null;
  readonly count: number;
  /** ISO 8601; also below. */
  readonly oldestFailedAt: string;
  readonly newestFailedAt: string;
}

/** @throws StoreError */
export async function groupLetters(connection: Queryable, filter: LetterFilter): Promise<LetterGroup[]> {
  const { rows } = await connection.query<[group: LetterGroup]>(GROUP_LETTERS, filterValues(filter));
  return rows.map(([group]) => group);
}
