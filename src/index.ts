/** What object nodes import: the client, its results and its errors. */

export type { ClientEvents, HoldfastClient } from './client/client.ts';
export { ClientError, type ErrorSubject, OutcomeError, PartialFailureError } from './client/client-error.ts';
export type {
  ClaimOptions,
  DeleteInput,
  ListOptions,
  LoadOptions,
  ReadOptions,
  SaveInput,
  WriteOptions,
} from './client/client-input.ts';
export type { ClientLogger, ConnectOptions, OnFull } from './client/client-options.ts';
export type { ClientStats } from './client/client-stats.ts';
export { connect } from './client/connect.ts';
export type { Document } from './client/document-text.ts';
export type { Failure } from './client/failure.ts';
export type {
  AbsentObject,
  ClaimResult,
  DeleteResult,
  FoundObject,
  ListPage,
  LoadResult,
  SaveResult,
  WriteResult,
} from './client/results.ts';
export {
  type ClientErrorCode,
  ContractError,
  type ErrorCode,
  type ErrorScope,
  HoldfastError,
  type IssuePath,
  type OperationErrorCode,
  type RejectCode,
} from './contract/errors.ts';
export {
  DOCUMENT_BYTES_DEFAULT,
  DOCUMENT_BYTES_MAX,
  IDENTIFIER_CHARACTERS_MAX,
  INTEGER_MAX,
  LIST_LIMIT_MAX,
} from './contract/limits.ts';
export { partitionOf, shardOf } from './contract/partition.ts';
export type { Outcome } from './contract/reply.ts';
export { VersionClock } from './contract/version-clock.ts';
