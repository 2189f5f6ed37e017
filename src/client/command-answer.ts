/** What a worker's answer means to the one who waits for it: a result or an error. */
import type { ReplyItem, ReplyLine } from '../contract/reply.ts';
import { ClientError, OutcomeError } from './client-error.ts';
import { codeOf, MESSAGES } from './failure.ts';
import type { Outgoing } from './outgoing.ts';
import { type CommandResult, FoundObject, type LoadResult, type WriteResult } from './results.ts';

/** Exactly one of both. */
export interface CommandAnswer {
  readonly result?: CommandResult;
  readonly error?: OutcomeError | ClientError;
}

/**
 * The answer to a command of which it is known which line is its own.
 *
 * @param isOwn whether a version was issued by this client.
 */
export function answerOf(
  command: Outgoing,
  item: ReplyItem,
  resent: boolean,
  isOwn: (id: string, version: number) => boolean,
): CommandAnswer {
  const { line } = item;
  if (line.id !== undefined && line.id !== command.id) return { error: unreadable(command) };
  switch (line.outcome) {
    case 'fenced':
    case 'rejected':
      return { error: refusalOf(command, line, line.outcome) };
    case 'conflict':
      return { error: conflictError(command, line, resent) };
    case 'applied':
      return command.isWrite ? { result: written(command, line, 'applied') } : { error: unreadable(command) };
    case 'superseded':
      if (!command.isWrite) return { error: unreadable(command) };
      if (line.version !== undefined && !isOwn(command.id, line.version)) {
        return { error: overtakenError(command, line, resent) };
      }
      return { result: written(command, line, 'superseded') };
    case 'found':
    case 'absent':
      return command.action === 'load' ? { result: loaded(command, item) } : { error: unreadable(command) };
    default:
      return line.outcome satisfies never;
  }
}

/** The answer to a list: as many found lines as there are objects. */
export function listAnswerOf(command: Outgoing, items: readonly ReplyItem[]): CommandAnswer {
  const failed = items.find(({ line }) => line.outcome !== 'found');
  if (failed !== undefined) {
    const { line } = failed;
    if (line.outcome === 'rejected') return { error: refusalOf(command, line, 'rejected') };
    return { error: unreadable(command) };
  }
  const objects = items.map((item) => new FoundObject(item, item.line.id ?? ''));
  return { result: { objects, more: objects.length >= command.limit } };
}

/** What is said where a reply makes no sense: nothing about the command. */
export function unreadable(command: Outgoing): ClientError {
  return new ClientError('UNAVAILABLE', 'the reply cannot be read', command.subject);
}

/** The error of a command of a frame that was rejected as a whole, or of a command that a worker decided against. */
export function outcomeError(
  command: Outgoing,
  line: ReplyLine,
  outcome: 'fenced' | 'conflict' | 'rejected',
): OutcomeError {
  return new OutcomeError(outcome, codeOf(outcome, line.code), line.message ?? MESSAGES[outcome], {
    ...command.subject,
    storedVersion: line.version,
    storedEpoch: line.epoch,
  });
}

/** A read that came too late was not done. Only reads expire; who asks again in time may have an answer. */
function refusalOf(
  command: Outgoing,
  line: ReplyLine,
  outcome: 'fenced' | 'rejected',
): OutcomeError | ClientError {
  if (line.code !== 'EXPIRED' || command.isWrite) return outcomeError(command, line, outcome);
  const message =
    'a worker took it for too late: its deadline had passed by the clock of the worker; if it had time left, ' +
    'the clock of this node or of the worker is wrong';
  return new ClientError('TIMEOUT', message, command.subject);
}

/**
 * A compare-and-set that was delivered more than once conflicts with itself, if it was applied the first time and
 * overtaken since: then nobody can say whether it was applied.
 */
function conflictError(command: Outgoing, line: ReplyLine, resent: boolean): OutcomeError | ClientError {
  if (command.ifVersion === undefined) return outcomeError(command, line, 'conflict');
  return overtakenError(command, line, resent);
}

/** Any write that was delivered more than once may have been applied before a stranger's write overtook it. */
function overtakenError(command: Outgoing, line: ReplyLine, resent: boolean): OutcomeError | ClientError {
  if (!resent && line.redelivered !== true) return outcomeError(command, line, 'conflict');
  return new ClientError(
    'UNAVAILABLE',
    'the write was delivered more than once, and may have been applied the first time; load the object',
    command.subject,
  );
}

function written(command: Outgoing, line: ReplyLine, outcome: 'applied' | 'superseded'): WriteResult {
  const { id, version, epoch } = command;
  return { id, version, epoch, outcome, storedVersion: line.version, storedEpoch: line.epoch };
}

function loaded(command: Outgoing, item: ReplyItem): CommandResult {
  const { id, claimId } = command;
  const { version = 0, epoch = 0, outcome } = item.line;
  const result: LoadResult =
    outcome === 'found' ? new FoundObject(item, id) : { found: false, id, version, epoch };
  return claimId === undefined ? result : Object.assign(result, { claimId });
}
