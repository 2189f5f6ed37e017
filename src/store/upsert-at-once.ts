/**
 * Takes the slot locks, writes saves as `upsertObjects` does, and commits, all in one round trip. For small batches that
 * are presumed to be newer than what is stored: of them most of the time goes into waiting. Measured at 100 saves a second:
 * see docs/benchmarks.md.
 *
 * A procedure in the connection's temporary schema (try-rows.ts says why there): it may end its transaction, and each of
 * its statements has a snapshot of its own, so that the upsert sees what was committed before the locks were ours. In one
 * statement with the locks it would not.
 */
import type { Queryable } from './connection.ts';
import { objectArrays } from './insert-objects.ts';
import { LOCK_NAMESPACE } from './lock-slots.ts';
import type { ObjectRow } from './store.ts';
import { StoreError } from './store-error.ts';
import { upsertObjectsFrom } from './upsert-objects.ts';

/** Whatever does not end as presumed leaves nothing written. */
const CREATE_UPSERT_AT_ONCE = {
  text: `
  CREATE OR REPLACE PROCEDURE pg_temp.holdfast_upsert_at_once(
    slots integer[], ids varchar[], types varchar[], documents jsonb[], versions bigint[], epochs bigint[],
    next_rcseqs bigint[], INOUT written integer)
  LANGUAGE plpgsql AS $procedure$
  DECLARE
    wanted_slot integer;
  BEGIN
    FOREACH wanted_slot IN ARRAY slots LOOP
      IF NOT pg_try_advisory_xact_lock(${LOCK_NAMESPACE}, wanted_slot) THEN RETURN; END IF;
    END LOOP;
    ${upsertObjectsFrom(`unnest(ids, types, documents, versions, epochs, next_rcseqs)
      AS sent (object_id, object_type, data, version, epoch, next_rcseq)`)};
    GET DIAGNOSTICS written = ROW_COUNT;
    IF written <> cardinality(ids) THEN ROLLBACK; END IF;
  END $procedure$`,
};

/** $1 integer[] slots, ascending; $2..$7 as in insert-objects. */
const UPSERT_AT_ONCE = {
  name: 'holdfast-upsert-at-once',
  text: `CALL pg_temp.holdfast_upsert_at_once(
    $1::integer[], $2::varchar[], $3::varchar[], $4::jsonb[], $5::bigint[], $6::bigint[], $7::bigint[], NULL)`,
};

/**
 * Once per connection, outside any transaction. Returns whether it may be had: a user may lack the right to temporary
 * objects or to PL/pgSQL, an event trigger may forbid it. Whatever else is wrong shows at the write itself.
 *
 * @throws StoreError if the connection was lost
 */
export async function createUpsertAtOnce(connection: Queryable): Promise<boolean> {
  try {
    await connection.query(CREATE_UPSERT_AT_ONCE);
    return true;
  } catch (error) {
    if (error instanceof StoreError && !error.connectionLost) return false;
    throw error;
  }
}

/** `written`: committed, every row; `stale`: not all went through their guard; `held`: somebody else holds a slot. */
export type UpsertAtOnce = 'written' | 'stale' | 'held';

/**
 * Outside any transaction, and after `createUpsertAtOnce`.
 *
 * @throws StoreError; nothing is written then, unless the connection was lost.
 */
export async function upsertAtOnce(
  connection: Queryable,
  slots: readonly number[],
  rows: readonly ObjectRow[],
): Promise<UpsertAtOnce> {
  const outcome = await connection.query<[written: number | null]>(UPSERT_AT_ONCE, [
    slots,
    ...objectArrays(rows),
  ]);
  const written = outcome.rows[0]?.[0] ?? null;
  if (written === null) return 'held';
  return written === rows.length ? 'written' : 'stale';
}
