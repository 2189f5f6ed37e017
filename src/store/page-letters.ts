/** Open letters page by page, the oldest first, without their bodies. For tools. */
import type { Queryable } from './connection.ts';
import { type BoundedFilter, FILTER_CONDITION, FILTER_PARAMETERS, filterValues } from './letter-filter.ts';
import { LETTER_JSON, type StoredLetter } from './stored-letter.ts';

const [AT, NUMBER, LIMIT] = [1, 2, 3].map((n) => `$${FILTER_PARAMETERS + n}`);

/**
 * Which letters are on a page: the filter, then timestamptz and bigint of the letter behind which it begins, then integer
 * most rows. An index-only scan in the order of the index, so that only the letters of the page itself are fetched.
 */
export const LETTER_PAGE = `
    page AS MATERIALIZED (
      SELECT failed_at, number FROM holdfast_dead_letters
      WHERE ${FILTER_CONDITION}
        AND (${AT}::timestamptz IS NULL OR (failed_at, number) > (${AT}::timestamptz, ${NUMBER}::bigint))
      ORDER BY failed_at, number
      LIMIT ${LIMIT}::integer)`;

const PAGE_LETTERS = {
  text: `
    WITH ${LETTER_PAGE}
    SELECT ${LETTER_JSON}
    FROM page JOIN holdfast_dead_letters l ON l.number = page.number
    ORDER BY page.failed_at, page.number`,
};

/** Behind which letter a page begins. */
export type LetterPosition = Pick<StoredLetter, 'failedAt' | 'number'>;

/** @throws StoreError */
export async function pageLetters(
  connection: Queryable,
  filter: BoundedFilter,
  behind: LetterPosition | undefined,
  limit: number,
): Promise<StoredLetter[]> {
  const { rows } = await connection.query<[letter: StoredLetter]>(PAGE_LETTERS, [
    ...filterValues(filter),
    behind?.failedAt ?? null,
    behind?.number ?? null,
    limit,
  ]);
  return rows.map(([letter]) => letter);
}
