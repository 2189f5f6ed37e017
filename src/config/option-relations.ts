/**
 * What must hold between options, each with the reason it gives to the operator. Checked by the schema at start, so
 * that a limit which cannot work is an error message and not a stall months later.
 */
import type { OptionValues } from './option-fields.ts';

/**
 * Longest time after which the successor of a stopped process must go on, from when it first meets a lock that the
 * stopped one holds. The session is ended by whichever of the two server timeouts is longer; a successor that waits for
 * the lock goes on at once, one that just gave up waiting first sleeps its longest retry delay. `lockTimeoutMs` is not
 * in the sum: whoever is waiting is given the lock the moment it is free. The defaults use the whole of it: 10 s + 5 s.
 */
const SUCCESSION_MS_MAX = 15_000;

/** A condition between two or more options. */
export interface OptionRelation {
  /** The options concerned; the first one is blamed. */
  readonly options: readonly (keyof OptionValues)[];
  /** The condition, as an operator reads it. */
  readonly requirement: string;
  /** Why, and what happens otherwise. */
  readonly reason: string;
  holds(options: OptionValues): boolean;
}

export const OPTION_RELATIONS: readonly OptionRelation[] = [
  {
    options: ['documentBytesMax', 'batchBytesMax'],
    requirement: 'documentBytesMax <= batchBytesMax',
    reason: 'a batch must have room for the largest document, else it could never be written',
    holds: (options) => options.documentBytesMax <= options.batchBytesMax,
  },
  {
    options: ['documentBytesMax', 'replyBytesMax'],
    requirement: 'documentBytesMax <= replyBytesMax',
    reason: 'the largest document that can be saved must also be loadable',
    holds: (options) => options.documentBytesMax <= options.replyBytesMax,
  },
  {
    options: ['copyRowsMin', 'batchCommandsMax'],
    requirement: 'copyRowsMin <= batchCommandsMax',
    reason:
      'no batch has more rows than commands, so COPY would silently never be used; lower copyRowsMin too',
    holds: (options) => options.copyRowsMin <= options.batchCommandsMax,
  },
  {
    options: ['retryDelayMsMin', 'retryDelayMsMax'],
    requirement: 'retryDelayMsMin <= retryDelayMsMax',
    reason: 'the delay grows from the first to the second',
    holds: (options) => options.retryDelayMsMin <= options.retryDelayMsMax,
  },
  {
    options: ['lockTimeoutMs', 'statementTimeoutMs'],
    requirement: 'lockTimeoutMs < statementTimeoutMs',
    reason:
      'a wait for a lock must end as a lock timeout; cut by the statement timeout it looks like a slow database',
    holds: (options) => options.lockTimeoutMs < options.statementTimeoutMs,
  },
  {
    options: ['lockTimeoutMs', 'drainTimeoutMs'],
    requirement: 'lockTimeoutMs < drainTimeoutMs',
    reason: 'one batch that waits for a lock must not use up the whole time for draining',
    holds: (options) => options.lockTimeoutMs < options.drainTimeoutMs,
  },
  {
    options: ['idleInTransactionTimeoutMs', 'tcpUserTimeoutMs', 'retryDelayMsMax'],
    requirement: `max(idleInTransactionTimeoutMs, tcpUserTimeoutMs) + retryDelayMsMax <= ${SUCCESSION_MS_MAX}`,
    reason:
      'a stopped process keeps its locks until PostgreSQL ends its session, and its successor, which may just have begun ' +
      'its longest retry delay, must go on within 15 s',
    holds: (options) =>
      Math.max(options.idleInTransactionTimeoutMs, options.tcpUserTimeoutMs) + options.retryDelayMsMax <=
      SUCCESSION_MS_MAX,
  },
];
