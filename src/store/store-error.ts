/** Turns what `pg` throws into a `StoreError` that says what kind of failure it is. */
import { DatabaseError } from 'pg';
import { type ErrorScope, HoldfastError, type OperationErrorCode } from '../contract/errors.ts';
import { type FailureClass, failureClass } from './sqlstate.ts';

const CODE_OF_CLASS: Readonly<Record<FailureClass, OperationErrorCode>> = {
  row: 'STORE_ROW_REJECTED',
  transient: 'STORE_UNAVAILABLE',
  contended: 'STORE_CONTENDED',
  systemic: 'STORE_UNAVAILABLE',
};

const SCOPE_OF_CLASS: Readonly<Record<FailureClass, ErrorScope>> = {
  row: 'command',
  transient: 'batch',
  contended: 'batch',
  systemic: 'dependency',
};

/** SQLSTATE classes whose repair is a change of configuration, not the return of a server. */
const MISCONFIGURED_CLASSES = new Set(['28', '3D', '3F', '42']);

export class StoreError extends HoldfastError {
  override readonly name = 'StoreError';
  readonly failure: FailureClass;
  /** `undefined` when the server said nothing: the connection was refused or broke. */
  readonly sqlstate: string | undefined;
  readonly constraint: string | undefined;
  /** The column that a not_null_violation names. */
  readonly column: string | undefined;
  /** Whether the connection is unusable from now on. */
  readonly connectionLost: boolean;

  constructor(
    message: string,
    options: {
      failure: FailureClass;
      sqlstate?: string | undefined;
      constraint?: string | undefined;
      column?: string | undefined;
      connectionLost?: boolean;
      /** Its repair is a change of configuration, whatever the SQLSTATE says. */
      misconfigured?: boolean;
      cause?: unknown;
    },
  ) {
    const misconfigured =
      options.misconfigured === true || MISCONFIGURED_CLASSES.has(options.sqlstate?.slice(0, 2) ?? '');
    super(misconfigured ? 'STORE_MISCONFIGURED' : CODE_OF_CLASS[options.failure], message, {
      scope: SCOPE_OF_CLASS[options.failure],
      retryable: options.failure !== 'row',
      cause: options.cause,
    });
    this.failure = options.failure;
    this.sqlstate = options.sqlstate;
    this.constraint = options.constraint;
    this.column = options.column;
    this.connectionLost = options.connectionLost ?? false;
  }
}

/** SQLSTATEs after which the server has ended, or is about to end, the session. */
const SESSION_ENDED = new Set(['25P03', '57P01', '57P02', '57P03', '57P05']);

/**
 * A primary key of ours is taken although the decision, made under the locks, found it free: a writer who bypasses
 * Holdfast was quicker. Not the row's fault; decided anew it comes out right.
 */
function isKeyTaken(sqlstate: string, constraint: string | undefined): boolean {
  return sqlstate === '23505' && OWN_PRIMARY_KEYS.has(constraint ?? '');
}

const OWN_PRIMARY_KEYS = new Set([
  'goverse_objects_pkey',
  'holdfast_tombstones_pkey',
  'holdfast_claims_pkey',
]);

/** For what calls the store, whose every failure is a `StoreError`: anything else is a fault of ours. @throws it */
export function storeErrorOf(error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  throw error;
}

/** For what `pg` throws, and nothing else: an error of our own would pass for a lost connection. */
export function toStoreError(error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  if (error instanceof DatabaseError && error.code !== undefined) {
    return new StoreError(error.message, {
      failure: failureOf(error.code, error.constraint),
      sqlstate: error.code,
      constraint: error.constraint,
      column: error.column,
      connectionLost:
        SESSION_ENDED.has(error.code) || error.severity === 'FATAL' || error.severity === 'PANIC',
      cause: error,
    });
  }
  // Everything else is the connection's: refused, reset, ended, timed out.
  const message = error instanceof Error ? error.message || error.name : String(error);
  return new StoreError(message, { failure: 'systemic', connectionLost: true, cause: error });
}

/** What an error of the server means for a batch. */
export function failureOf(sqlstate: string, constraint: string | undefined): FailureClass {
  return isKeyTaken(sqlstate, constraint) ? 'contended' : failureClass(sqlstate);
}

/**
 * A guard stopped rows although the decision was made under the locks: a writer who bypasses Holdfast changed them in
 * between. Decided anew from what is stored now, the batch comes to its right outcome.
 */
export function guardMiss(missed: number, expected: number): StoreError {
  return new StoreError(`${missed} of ${expected} rows were changed by somebody else meanwhile`, {
    failure: 'contended',
  });
}

/**
 * Whether rows did not go through their guard. Isolating, a single row of which that is so, decided in the same
 * transaction, is taken for refused: a trigger swallows it without an error.
 */
export function isGuardMiss({ failure, sqlstate }: StoreError): boolean {
  return failure === 'contended' && sqlstate === undefined;
}
