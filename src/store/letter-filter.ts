/** Which open letters are meant: the condition that all statements about many letters share. */

/** Everything that is given must hold; of each list, one. */
export interface LetterFilter {
  readonly codes?: readonly string[] | undefined;
  /** An empty text stands for letters without a type; also of nodes. */
  readonly types?: readonly string[] | undefined;
  readonly objectIds?: readonly string[] | undefined;
  /** `<number of partitions>.<partition>`, or the partition alone for any number of them. */
  readonly partitions?: readonly string[] | undefined;
  readonly nodes?: readonly string[] | undefined;
  /** Failed at this time or later, ISO 8601. */
  readonly after?: string | undefined;
  /** Failed before this time, ISO 8601. */
  readonly before?: string | undefined;
  readonly numbers?: readonly number[] | undefined;
  /** UUIDs in lower case. */
  readonly letterIds?: readonly string[] | undefined;
}

/** What one run is about: letters that come in later have higher numbers. */
export interface BoundedFilter extends LetterFilter {
  readonly numberMax?: number | undefined;
}

/** Open, as the partial indexes have it. */
export const IS_OPEN = 'replayed_at IS NULL AND dropped_at IS NULL';

/**
 * $1 text[] codes, $2 text[] types, $3 text[] object ids, $4 text[] partitions, $5 text[] nodes, $6 timestamptz from,
 * $7 timestamptz before, $8 bigint[] numbers, $9 bigint highest number, $10 uuid[] ids. What is null is no condition: a statement
 * without a name is planned for its values, so such a part vanishes and an index can serve what is left.
 */
export const FILTER_CONDITION = `${IS_OPEN}
      AND ($1::text[] IS NULL OR code = ANY ($1::text[]))
      AND ($2::text[] IS NULL OR coalesce(object_type, '') = ANY ($2::text[]))
      AND ($3::text[] IS NULL OR object_id = ANY ($3::text[]))
      AND ($4::text[] IS NULL OR partition = ANY ($4::text[]) OR split_part(partition, '.', 2) = ANY ($4::text[]))
      AND ($5::text[] IS NULL OR coalesce(node, '') = ANY ($5::text[]))
      AND ($6::timestamptz IS NULL OR failed_at >= $6::timestamptz)
      AND ($7::timestamptz IS NULL OR failed_at < $7::timestamptz)
      AND ($8::bigint[] IS NULL OR number = ANY ($8::bigint[]))
      AND ($9::bigint IS NULL OR number <= $9::bigint)
      AND ($10::uuid[] IS NULL OR letter_id = ANY ($10::uuid[]))`;

/** How many parameters the condition takes. */
export const FILTER_PARAMETERS = 10;

/** The values of the condition, in order. */
export function filterValues(filter: BoundedFilter): unknown[] {
  const { codes, types, objectIds, partitions, nodes, after, before, numbers, numberMax, letterIds } = filter;
  return [codes, types, objectIds, partitions, nodes, after, before, numbers, numberMax, letterIds].map(
    (value) => value ?? null,
  );
}
