/** Sets the version of one object, of its row and of its tombstone, whichever there is. Lowering it is the purpose. */
import type { Queryable } from './connection.ts';

/** $1 id, $2 the version that it must have now, $3 the version that it gets. One row: how many rows were changed. */
const SET_VERSION = {
  text: `
    WITH current AS (
      SELECT greatest((SELECT o.version FROM goverse_objects o WHERE o.object_id = $1),
                      (SELECT t.version FROM holdfast_tombstones t WHERE t.object_id = $1)) AS version
    ), live AS (
      UPDATE goverse_objects o SET version = $3 FROM current
      WHERE o.object_id = $1 AND current.version = $2::bigint
      RETURNING 1
    ), deleted AS (
      UPDATE holdfast_tombstones t SET version = $3, changed_at = now() FROM current
      WHERE t.object_id = $1 AND current.version = $2::bigint
      RETURNING 1
    )
    SELECT (SELECT count(*) FROM live) + (SELECT count(*) FROM deleted)`,
};

/** Returns whether it had the version that it must have. @throws StoreError */
export async function setVersion(
  connection: Queryable,
  id: string,
  from: number,
  to: number,
): Promise<boolean> {
  const { rows } = await connection.query<[count: string]>(SET_VERSION, [id, from, to]);
  return Number(rows[0]?.[0] ?? 0) > 0;
}
