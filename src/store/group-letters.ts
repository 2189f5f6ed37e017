/** How many open letters there are of each code and type. For tools. */
import type { Queryable } from './connection.ts';
import { FILTER_CONDITION, filterValues, type LetterFilter } from './letter-filter.ts';

/**
 * A row for each code and type, the thousand largest first, as JSON whose keys are the properties below; in every row how
 * many letters there are in all groups. One index-only scan.
 */
const GROUP_LETTERS = {
  text: `
    SELECT json_build_object(
      'code', g.code, 'type', g.object_type, 'count', g.count,
      'oldestFailedAt', to_char(g.oldest AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
      'newestFailedAt', to_char(g.newest AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')),
      sum(g.count) OVER ()
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

export interface LetterGroups {
  /** Letters in all groups, those beyond the thousandth included. */
  readonly open: number;
  readonly groups: readonly LetterGroup[];
}

/** @throws StoreError */
export async function groupLetters(connection: Queryable, filter: LetterFilter): Promise<LetterGroups> {
  const { rows } = await connection.query<[group: LetterGroup, open: string]>(
    GROUP_LETTERS,
    filterValues(filter),
  );
  return { open: Number(rows[0]?.[1] ?? 0), groups: rows.map(([group]) => group) };
}
