/** Closes open letters without replaying them, a bounded number at a time. */
import type { Queryable } from './connection.ts';
import { type BoundedFilter, FILTER_CONDITION, FILTER_PARAMETERS, filterValues } from './letter-filter.ts';

/** The filter, then integer most rows. */
const DROP_LETTERS = {
  text: `
    UPDATE holdfast_dead_letters SET dropped_at = now()
    WHERE number IN (
      SELECT number FROM holdfast_dead_letters
      WHERE ${FILTER_CONDITION}
      ORDER BY failed_at, number
      LIMIT $${FILTER_PARAMETERS + 1}::integer)
      AND replayed_at IS NULL AND dropped_at IS NULL`,
};

/** Returns how many were dropped, at most `lettersMax`; 0 if none is left. @throws StoreError */
export async function dropLetters(
  connection: Queryable,
  filter: BoundedFilter,
  lettersMax: number,
): Promise<number> {
  const { count } = await connection.query(DROP_LETTERS, [...filterValues(filter), lettersMax]);
  return count;
}
