/** One letter, open or not, by its number or its id. For tools. */
import type { Queryable } from './connection.ts';
import { LETTER_JSON, type StoredLetter, type WholeLetter } from './stored-letter.ts';

/** $1 bigint number, $2 uuid id; one of them is null. At most one row. */
const FIND_LETTER = {
  text: `
    SELECT ${LETTER_JSON}, l.headers, l.body FROM holdfast_dead_letters l
    WHERE l.number = $1::bigint OR l.letter_id = $2::uuid`,
};

/** A number, or the id in lower case. */
export type LetterName = { readonly number: number } | { readonly letterId: string };

/** @throws StoreError */
export async function findLetter(connection: Queryable, name: LetterName): Promise<WholeLetter | undefined> {
  const values = 'number' in name ? [name.number, null] : [null, name.letterId];
  const { rows } = await connection.query<[StoredLetter, WholeLetter['headers'], Buffer]>(
    FIND_LETTER,
    values,
  );
  const [row] = rows;
  return row === undefined ? undefined : { ...row[0], headers: row[1], body: row[2] };
}
