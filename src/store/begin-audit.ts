/** Writes down that somebody begins to replay, edit or drop dead letters. */
import type { Queryable } from './connection.ts';

/** $1 who, $2 action, $3 jsonb filter, $4 jsonb counts. One row: the record's id. */
const BEGIN_AUDIT = {
  text: `
    INSERT INTO holdfast_dead_letter_audit (who, action, filter, counts)
    VALUES ($1, $2, $3::jsonb, $4::jsonb) RETURNING audit_id`,
};

export type AuditAction = 'replay' | 'edit' | 'drop';

/** What was done so far: how many letters of each outcome, and whatever else the action has to tell. */
export type AuditCounts = Readonly<Record<string, number | string>>;

export interface AuditBegin {
  readonly who: string;
  readonly action: AuditAction;
  readonly filter: object;
  readonly counts: AuditCounts;
}

/** Returns the id of the record. @throws StoreError */
export async function beginAudit(
  connection: Queryable,
  { who, action, filter, counts }: AuditBegin,
): Promise<number> {
  const values = [who, action, JSON.stringify(filter), JSON.stringify(counts)];
  const { rows } = await connection.query<[auditId: string]>(BEGIN_AUDIT, values);
  return Number(rows[0]?.[0]);
}
