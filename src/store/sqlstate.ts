/**
 * What each SQLSTATE means for a batch. The one table that decides; never the message.
 *
 * row:       this row can never be stored as it is: isolate it, dead-letter it, write the others.
 * transient: the same batch may succeed at once or shortly: retry it in memory.
 * contended: somebody else holds what we need: retry, and let other partitions go on.
 * systemic:  no batch can succeed until something is repaired: wait, report not ready, lose no life of any message.
 *
 * Names and classes: PostgreSQL manual, appendix A. A test holds every code against PostgreSQL's own list.
 */

export type FailureClass = 'row' | 'transient' | 'contended' | 'systemic';

/** Whole classes, by the first two characters. A code of its own below goes first. */
const BY_CLASS: Readonly<Record<string, FailureClass>> = {
  '08': 'systemic', // connection_exception
  '22': 'row', // data_exception
  '23': 'row', // integrity_constraint_violation
  '25': 'systemic', // invalid_transaction_state
  '28': 'systemic', // invalid_authorization_specification
  '3D': 'systemic', // invalid_catalog_name
  '3F': 'systemic', // invalid_schema_name
  '40': 'transient', // transaction_rollback
  '42': 'systemic', // syntax_error_or_access_rule_violation
  '44': 'row', // with_check_option_violation
  '53': 'systemic', // insufficient_resources
  '54': 'row', // program_limit_exceeded
  '55': 'systemic', // object_not_in_prerequisite_state
  '57': 'systemic', // operator_intervention
  '58': 'systemic', // system_error
  P0: 'row', // plpgsql_error: a trigger of the user's refused the row
  XX: 'systemic', // internal_error
};

const BY_CODE: Readonly<Record<string, FailureClass>> = {
  '21000': 'transient', // cardinality_violation: two rows of one id, which the fold excludes; see it again, then ask
  '25P02': 'transient', // in_failed_sql_transaction
  '25P03': 'transient', // idle_in_transaction_session_timeout: we were stopped for a while
  '25P04': 'transient', // transaction_timeout
  '40001': 'transient', // serialization_failure
  '40P01': 'transient', // deadlock_detected
  '42501': 'systemic', // insufficient_privilege
  '42703': 'systemic', // undefined_column
  '42P01': 'systemic', // undefined_table
  '53100': 'systemic', // disk_full
  '53200': 'systemic', // out_of_memory
  '53300': 'systemic', // too_many_connections
  '55P03': 'contended', // lock_not_available
  '57014': 'contended', // query_canceled: statement_timeout, mostly behind a lock
  '57P01': 'systemic', // admin_shutdown
  '57P02': 'systemic', // crash_shutdown
  '57P03': 'systemic', // cannot_connect_now
  '57P05': 'systemic', // idle_session_timeout
};

/** The class of a SQLSTATE; what is unknown is systemic, so that nothing is dead-lettered by mistake. */
export function failureClass(sqlstate: string): FailureClass {
  return BY_CODE[sqlstate] ?? BY_CLASS[sqlstate.slice(0, 2)] ?? 'systemic';
}

/** The SQLSTATE classes of row failures. No code inside one of them means anything else; a test holds it. */
export const ROW_FAILURE_CLASSES: readonly string[] = Object.entries(BY_CLASS)
  .filter(([, failure]) => failure === 'row')
  .map(([sqlstateClass]) => sqlstateClass);

/** Every code the table names, for the test against PostgreSQL's list. */
export const NAMED_SQLSTATES: readonly string[] = Object.keys(BY_CODE);
export const NAMED_SQLSTATE_CLASSES: readonly string[] = Object.keys(BY_CLASS);
