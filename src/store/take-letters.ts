/** Open letters page by page, the oldest first, whole; a page is bounded in letters and in bytes. For tools. */
import type { Queryable } from './connection.ts';
import { type BoundedFilter, FILTER_PARAMETERS, filterValues } from './letter-filter.ts';
import { LETTER_PAGE, type LetterPosition } from './page-letters.ts';
import { LETTER_JSON, type StoredLetter, type WholeLetter } from './stored-letter.ts';

/** Behind the parameters of the page. */
const BYTES = `$${FILTER_PARAMETERS + 4}`;

/**
 * As the pages without bodies; then bigint bytes: the first letter always comes, the others as long as all bodies up to
 * and with them are no more. The length of a body is known without reading it.
 */
const TAKE_LETTERS = {
  text: `
    WITH ${LETTER_PAGE}, sized AS MATERIALIZED (
      SELECT page.failed_at, page.number,
             sum(octet_length(l.body)) OVER (ORDER BY page.failed_at, page.number) AS bytes,
             row_number() OVER (ORDER BY page.failed_at, page.number) AS place
      FROM page JOIN holdfast_dead_letters l ON l.number = page.number)
    SELECT ${LETTER_JSON}, l.headers, l.body
    FROM sized JOIN holdfast_dead_letters l ON l.number = sized.number
    WHERE sized.bytes <= ${BYTES}::bigint OR sized.place = 1
    ORDER BY sized.failed_at, sized.number`,
};

export interface TakeLimits {
  readonly lettersMax: number;
  readonly bytesMax: number;
}

/** @throws StoreError */
export async function takeLetters(
  connection: Queryable,
  filter: BoundedFilter,
  behind: LetterPosition | undefined,
  { lettersMax, bytesMax }: TakeLimits,
): Promise<WholeLetter[]> {
  const { rows } = await connection.query<[StoredLetter, WholeLetter['headers'], Buffer]>(TAKE_LETTERS, [
    ...filterValues(filter),
    behind?.failedAt ?? null,
    behind?.number ?? null,
    lettersMax,
    bytesMax,
  ]);
  return rows.map(([letter, headers, body]) => ({ ...letter, headers, body }));
}
