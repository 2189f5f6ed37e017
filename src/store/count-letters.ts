/** How many open letters a filter means, and the highest number among them. For tools. */
import type { Queryable } from './connection.ts';
import { FILTER_CONDITION, filterValues, type LetterFilter } from './letter-filter.ts';

/** One row: how many, and the highest number, null if there is none. */
const COUNT_LETTERS = {
  text: `SELECT count(*), max(number) FROM holdfast_dead_letters WHERE ${FILTER_CONDITION}`,
};

export interface LetterCount {
  readonly count: number;
  /** 0 if there is none. */
  readonly numberMax: number;
}

/** @throws StoreError */
export async function countLetters(connection: Queryable, filter: LetterFilter): Promise<LetterCount> {
  const { rows } = await connection.query<[count: string, numberMax: string | null]>(
    COUNT_LETTERS,
    filterValues(filter),
  );
  return { count: Number(rows[0]?.[0] ?? 0), numberMax: Number(rows[0]?.[1] ?? 0) };
}
