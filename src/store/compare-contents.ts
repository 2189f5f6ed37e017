/** Answers whether documents are equal as jsonb and of the same type: against the stored row, or against each other. */
import { bigintArray, jsonbArray, varcharArray } from './binary-array.ts';
import type { Queryable } from './connection.ts';
import type { ContentQuestion, ObjectRow } from './store.ts';

/** $1 varchar[] ids, $2 varchar[] types, $3 bigint[] versions, $4 jsonb[] documents. The numbers that are equal. */
const COMPARE_WITH_STORED = {
  name: 'holdfast-compare-with-stored',
  text: `
    SELECT given.number
    FROM unnest($1::varchar[], $2::varchar[], $3::bigint[], $4::jsonb[])
      WITH ORDINALITY AS given (id, type, version, data, number)
    JOIN goverse_objects o ON o.object_id = given.id
    WHERE o.version = given.version AND o.object_type = given.type AND o.data = given.data`,
};

/** $1 jsonb[], $2 jsonb[]. The numbers that are equal. */
const COMPARE_WITH_EACH_OTHER = {
  name: 'holdfast-compare-with-each-other',
  text: `
    SELECT given.number
    FROM unnest($1::jsonb[], $2::jsonb[]) WITH ORDINALITY AS given (one, other, number)
    WHERE given.one = given.other`,
};

/** Answers all questions; the answers are keyed by who asked. */
export async function compareContents(
  connection: Queryable,
  questions: readonly ContentQuestion[],
): Promise<Map<object, boolean>> {
  const answers = new Map<object, boolean>();
  for (const question of questions) answers.set(question.asker, false);
  const stored = questions.filter(({ against }) => against === 'stored');
  if (stored.length > 0) {
    const rows = stored.map(({ row }) => row);
    const values = [
      varcharArray(rows.map(({ id }) => id)),
      varcharArray(rows.map(({ type }) => type)),
      bigintArray(rows.map(({ version }) => version)),
      jsonbArray(rows),
    ];
    await note(connection, COMPARE_WITH_STORED, values, stored, answers);
  }
  const pairs = questions.flatMap((question) =>
    question.against === 'stored' || question.against.type !== question.row.type
      ? []
      : [{ asker: question.asker, one: question.row, other: question.against }],
  );
  if (pairs.length > 0) {
    const side = (name: 'one' | 'other'): Buffer => jsonbArray(pairs.map((pair): ObjectRow => pair[name]));
    await note(connection, COMPARE_WITH_EACH_OTHER, [side('one'), side('other')], pairs, answers);
  }
  return answers;
}

async function note(
  connection: Queryable,
  statement: { name: string; text: string },
  values: unknown[],
  asked: readonly { readonly asker: object }[],
  answers: Map<object, boolean>,
): Promise<void> {
  const { rows } = await connection.query<[number: string]>(statement, values);
  for (const [number] of rows) {
    const asker = asked[Number(number) - 1]?.asker;
    if (asker !== undefined) answers.set(asker, true);
  }
}
