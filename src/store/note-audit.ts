/** Brings the record of an action up to what has been done by now. */
import type { AuditCounts } from './begin-audit.ts';
import type { Queryable } from './connection.ts';

/** $1 bigint id, $2 jsonb counts, $3 boolean whether it is finished. */
const NOTE_AUDIT = {
  text: `
    UPDATE holdfast_dead_letter_audit
    SET counts = $2::jsonb, finished_at = CASE WHEN $3::boolean THEN now() END
    WHERE audit_id = $1`,
};

/** @throws StoreError */
export async function noteAudit(
  connection: Queryable,
  auditId: number,
  counts: AuditCounts,
  finished: boolean,
): Promise<void> {
  await connection.query(NOTE_AUDIT, [auditId, JSON.stringify(counts), finished]);
}
