/**
 * The form of a recorded event: one row of numbers. A run of some minutes has millions of events; as rows they are
 * written without formatting, read without parsing, and take no objects until their own object is judged.
 */
import type { Load, Poison, Write, WriteOutcome } from '../oracle/history.ts';

export const COLUMNS = {
  kind: 0,
  object: 1,
  process: 2,
  version: 3,
  epoch: 4,
  nonce: 5,
  /** -1: none. */
  ifVersion: 6,
  invokedAt: 7,
  endedAt: 8,
  outcome: 9,
  /** -1: not said. */
  storedVersion: 10,
  storedEpoch: 11,
  flags: 12,
  /** Number of the claim id, or hash of the bytes; -1: none. */
  extra: 13,
} as const;
export const COLUMN_COUNT = 14;

export const KINDS = {
  save: 1,
  delete: 2,
  ordered: 3,
  committed: 4,
  claim: 5,
  failure: 6,
  /** The process lost its queue of replies; of no object. */
  repliesLost: 7,
} as const;

const OUTCOMES: readonly WriteOutcome[] = [
  'confirmed',
  'applied',
  'superseded',
  'fenced',
  'conflict',
  'rejected',
  'unknown',
  'unsent',
];
const POISONS: readonly Poison[] = ['none', 'always', 'refused'];

const FOUND = 4;
const INTACT = 8;

export type Row = Float64Array;

export function writeRow(object: number, write: Write): number[] {
  return [
    KINDS[write.action],
    object,
    write.process,
    write.version,
    write.epoch,
    write.nonce,
    write.ifVersion ?? -1,
    write.invokedAt,
    write.endedAt,
    OUTCOMES.indexOf(write.outcome),
    write.storedVersion ?? -1,
    -1,
    POISONS.indexOf(write.poison),
    write.bytesHash ?? -1,
  ];
}

export function loadRow(object: number, load: Load): number[] {
  return [
    KINDS[load.action],
    object,
    load.process,
    load.version,
    load.epoch,
    load.nonce,
    -1,
    load.invokedAt,
    load.endedAt,
    -1,
    -1,
    -1,
    (load.found ? FOUND : 0) + (load.intact ? INTACT : 0),
    load.claimId ?? -1,
  ];
}

export function failureRow(
  object: number,
  process: number,
  outcome: 'fenced' | 'conflict' | 'rejected',
  storedEpoch: number | undefined,
  at: number,
): number[] {
  const row = Array.from({ length: COLUMN_COUNT }, () => -1);
  row[COLUMNS.kind] = KINDS.failure;
  row[COLUMNS.object] = object;
  row[COLUMNS.process] = process;
  row[COLUMNS.outcome] = OUTCOMES.indexOf(outcome);
  row[COLUMNS.storedEpoch] = storedEpoch ?? -1;
  row[COLUMNS.endedAt] = at;
  return row;
}

export function repliesLostRow(process: number, at: number): number[] {
  const row = Array.from({ length: COLUMN_COUNT }, () => -1);
  row[COLUMNS.kind] = KINDS.repliesLost;
  row[COLUMNS.process] = process;
  row[COLUMNS.endedAt] = at;
  return row;
}

const value = (row: Row, column: number): number => row[column] ?? -1;
const optional = (row: Row, column: number): number | undefined => {
  const given = value(row, column);
  return given < 0 ? undefined : given;
};

export function toWrite(row: Row): Write {
  return {
    action: value(row, COLUMNS.kind) === KINDS.save ? 'save' : 'delete',
    process: value(row, COLUMNS.process),
    version: value(row, COLUMNS.version),
    epoch: value(row, COLUMNS.epoch),
    nonce: value(row, COLUMNS.nonce),
    ifVersion: optional(row, COLUMNS.ifVersion),
    poison: POISONS[value(row, COLUMNS.flags) & 3] ?? 'none',
    outcome: outcomeOf(row),
    storedVersion: optional(row, COLUMNS.storedVersion),
    invokedAt: value(row, COLUMNS.invokedAt),
    endedAt: value(row, COLUMNS.endedAt),
    bytesHash: optional(row, COLUMNS.extra),
  };
}

export function toLoad(row: Row): Load {
  const kind = value(row, COLUMNS.kind);
  const flags = value(row, COLUMNS.flags);
  return {
    action: kind === KINDS.ordered ? 'ordered' : kind === KINDS.committed ? 'committed' : 'claim',
    process: value(row, COLUMNS.process),
    found: (flags & FOUND) !== 0,
    version: value(row, COLUMNS.version),
    epoch: value(row, COLUMNS.epoch),
    nonce: value(row, COLUMNS.nonce),
    intact: (flags & INTACT) !== 0,
    claimId: optional(row, COLUMNS.extra),
    invokedAt: value(row, COLUMNS.invokedAt),
    endedAt: value(row, COLUMNS.endedAt),
  };
}

export function outcomeOf(row: Row): WriteOutcome {
  return OUTCOMES[value(row, COLUMNS.outcome)] ?? 'unknown';
}

export function storedEpochOf(row: Row): number | undefined {
  return optional(row, COLUMNS.storedEpoch);
}
