/**
 * The errors of Holdfast. Each has a stable code, says how far it reaches and whether the same call may succeed
 * later. Decide by `code`, never by message. Outcomes such as `superseded` and `absent` are not errors.
 */

/** Why a command was rejected; stands in replies and in dead letters. */
export const REJECT_CODES = [
  'MALFORMED_FRAME',
  'UNSUPPORTED_VERSION',
  'INVALID_COMMAND',
  'INVALID_DOCUMENT',
  'SCHEMA_VIOLATION',
  'TOO_LARGE',
  'WRONG_PARTITION',
  'UNSTORABLE',
  'DELIVERY_LIMIT',
  'FENCED',
  'CONFLICT',
  'EXPIRED',
] as const;
export type RejectCode = (typeof REJECT_CODES)[number];

/** What the client library itself reports. */
export type ClientErrorCode = 'TIMEOUT' | 'UNROUTABLE' | 'OVERLOADED' | 'CLOSED' | 'UNAVAILABLE';

/** What stands in the way of a process or one of its dependencies. */
export type OperationErrorCode =
  | 'CONFIG_INVALID'
  | 'BROKER_UNAVAILABLE'
  | 'BROKER_REFUSED'
  | 'BROKER_TOPOLOGY'
  | 'STORE_UNAVAILABLE'
  | 'STORE_CONTENDED'
  | 'STORE_MISCONFIGURED'
  | 'STORE_ROW_REJECTED'
  | 'SCHEMA_OUTDATED';

export type ErrorCode = RejectCode | ClientErrorCode | OperationErrorCode;

/** How far an error reaches. */
export type ErrorScope = 'command' | 'batch' | 'dependency' | 'process';

/** Base of every error that Holdfast throws on purpose. */
export class HoldfastError extends Error {
  override readonly name: string = 'HoldfastError';
  readonly code: ErrorCode;
  readonly scope: ErrorScope;
  /** Whether the same call may succeed later without a change. */
  readonly retryable: boolean;

  constructor(
    code: ErrorCode,
    message: string,
    options: { scope: ErrorScope; retryable: boolean; cause?: unknown },
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.scope = options.scope;
    this.retryable = options.retryable;
  }
}

/** Keys and indexes from the root of a document; empty for the document itself. */
export type IssuePath = readonly (string | number)[];

/** A frame or a command does not follow the contract. Never retryable: the same bytes fail again. */
export class ContractError extends HoldfastError {
  override readonly name = 'ContractError';
  declare readonly code: RejectCode;
  /** Of a `SCHEMA_VIOLATION`: where in the document the schema found something, as far as it says. */
  readonly issues: readonly IssuePath[] | undefined;

  constructor(
    code: RejectCode,
    message: string,
    { issues, ...options }: { cause?: unknown; issues?: readonly IssuePath[] } = {},
  ) {
    super(code, message, { scope: 'command', retryable: false, ...options });
    this.issues = issues;
  }
}
