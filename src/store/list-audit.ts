/** Who replayed, edited or dropped which dead letters, the latest first. For tools. */
import type { AuditAction, AuditCounts } from './begin-audit.ts';
import type { Queryable } from './connection.ts';

/** $1 integer most rows. As JSON, whose keys are the properties below. */
const LIST_AUDIT = {
  text: `
    SELECT json_build_object(
      'id', a.audit_id, 'who', a.who, 'action', a.action, 'filter', a.filter, 'counts', a.counts,
      'startedAt', to_char(a.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
      'finishedAt', to_char(a.finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
    FROM holdfast_dead_letter_audit a
    ORDER BY a.audit_id DESC
    LIMIT $1::integer`,
};

export interface AuditRecord {
  readonly id: number;
  readonly who: string;
  readonly action: AuditAction;
  readonly filter: Readonly<Record<string, unknown>>;
  readonly counts: AuditCounts;
  /** ISO 8601; also below. */
  readonly startedAt: string;
  /** Null while it runs, and for ever if it was killed. */
  readonly finishedAt: string | null;
}

/** @throws StoreError */
export async function listAudit(connection: Queryable, limit: number): Promise<AuditRecord[]> {
  const { rows } = await connection.query<[record: AuditRecord]>(LIST_AUDIT, [limit]);
  return rows.map(([record]) => record);
}
