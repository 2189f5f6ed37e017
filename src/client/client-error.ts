/** What a call of the client rejects with. Decide by `code`, never by message. */
import { type ClientErrorCode, type ErrorCode, HoldfastError, type RejectCode } from '../contract/errors.ts';

/** Which command an error is about; what of it does not apply is `undefined`. */
export interface ErrorSubject {
  /** Object id. */
  readonly id?: string | undefined;
  /** The version that the write carried: a repetition with it is idempotent. */
  readonly version?: number | undefined;
}

/**
 * The client could not do it, or cannot say whether it was done.
 *
 * | code | meaning | the write |
 * |---|---|---|
 * | `TIMEOUT` | no answer in time | may have been applied, or may be later |
 * | `UNAVAILABLE` | the answer was lost, or the client was closed while waiting | may have been applied |
 * | `UNROUTABLE` | no queue takes it: another number of partitions, or nothing declared | was not |
 * | `OVERLOADED` | the buffer is full and `onFull` is `fail`, or too many objects are claimed | was not |
 * | `CLOSED` | the client was closed before it was sent | was not |
 */
export class ClientError extends HoldfastError {
  override readonly name = 'ClientError';
  declare readonly code: ClientErrorCode;
  readonly id: string | undefined;
  readonly version: number | undefined;

  constructor(
    code: ClientErrorCode,
    message: string,
    options: ErrorSubject & { readonly cause?: unknown } = {},
  ) {
    const scope = code === 'CLOSED' ? 'process' : code === 'UNROUTABLE' ? 'dependency' : 'command';
    const retryable = code !== 'CLOSED' && code !== 'UNROUTABLE';
    super(code, message, { scope, retryable, cause: options.cause });
    this.id = options.id;
    this.version = options.version;
  }
}

/**
 * A worker decided against the command. The same command fails again.
 *
 * `fenced` (code `FENCED`): the object belongs to another; drop it from memory. `conflict` (code `CONFLICT`): another
 * state than expected is stored; load again. `rejected`: `code` says why, and a dead letter was written.
 *
 * A write that had to be sent again may be `fenced` although its first sending was applied, before the object was claimed.
 */
export class OutcomeError extends HoldfastError {
  override readonly name = 'OutcomeError';
  declare readonly code: RejectCode;
  readonly outcome: 'fenced' | 'conflict' | 'rejected';
  readonly id: string | undefined;
  /** The version that the write carried. */
  readonly version: number | undefined;
  /** The version and epoch that are stored, where the worker said them. */
  readonly storedVersion: number | undefined;
  readonly storedEpoch: number | undefined;

  constructor(
    outcome: 'fenced' | 'conflict' | 'rejected',
    code: RejectCode,
    message: string,
    options: ErrorSubject & {
      readonly storedVersion?: number | undefined;
      readonly storedEpoch?: number | undefined;
    },
  ) {
    super(code, message, { scope: 'command', retryable: false });
    this.outcome = outcome;
    this.id = options.id;
    this.version = options.version;
    this.storedVersion = options.storedVersion;
    this.storedEpoch = options.storedEpoch;
  }
}

/**
 * Some commands of a call of many failed; `code` and `message` are those of the first.
 *
 * `errors` and `results` have one place for each command, in the order of the call: an error, or `undefined` and a
 * result.
 */
export class PartialFailureError<Result = unknown> extends HoldfastError {
  override readonly name = 'PartialFailureError';
  readonly errors: readonly (HoldfastError | undefined)[];
  readonly results: readonly (Result | undefined)[];

  constructor(errors: readonly (HoldfastError | undefined)[], results: readonly (Result | undefined)[]) {
    const failed = errors.filter((error) => error !== undefined);
    const [first] = failed;
    const code: ErrorCode = first?.code ?? 'UNAVAILABLE';
    super(code, `${failed.length} of ${errors.length} commands failed, the first: ${first?.message}`, {
      scope: 'batch',
      retryable: failed.every((error) => error.retryable),
      cause: first,
    });
    this.errors = errors;
    this.results = results;
  }
}
