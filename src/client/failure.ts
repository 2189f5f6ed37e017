/** Failures of commands that nobody waits for: a line of a worker's reply becomes an event. */
import type { RejectCode } from '../contract/errors.ts';
import type { ReplyLine } from '../contract/reply.ts';

/**
 * A write failed after its call had resolved, because it only asked for the broker's confirm, or had given up waiting.
 *
 * At least once: a frame that was sent again, or redelivered to another worker, may report its failures twice.
 */
export interface Failure {
  /** Object id; `undefined` where a whole frame was rejected, or no id could be read. */
  readonly id: string | undefined;
  /**
   * `fenced`: drop the object. `conflict`: another state is stored, or a newer version that this client did not issue;
   * load again. `rejected`: a dead letter was written.
   */
  readonly outcome: 'fenced' | 'conflict' | 'rejected';
  /**
   * Why. `UNAVAILABLE` stands for a conflict of a frame that was sent or delivered more than once: it may be with the
   * command's own first delivery, so the write may have been applied, and overtaken since.
   */
  readonly code: RejectCode | 'UNAVAILABLE';
  readonly message: string;
  /** What is stored, where the worker said it. */
  readonly version: number | undefined;
  readonly epoch: number | undefined;
}

/** What a reply line says, if that is a failure. To be superseded is one if it was by somebody else. */
export function failureOf(
  line: ReplyLine,
  resent: boolean,
  isForeign: (id: string, version: number) => boolean,
): Failure | undefined {
  const { id, version, epoch } = line;
  const isOvertaken =
    line.outcome === 'superseded' && id !== undefined && version !== undefined && isForeign(id, version);
  const outcome = isOvertaken ? 'conflict' : line.outcome;
  if (outcome !== 'fenced' && outcome !== 'conflict' && outcome !== 'rejected') return undefined;
  const uncertain = outcome === 'conflict' && (resent || line.redelivered === true);
  const code = uncertain ? 'UNAVAILABLE' : codeOf(outcome, line.code);
  const message = isOvertaken ? OVERTAKEN : (line.message ?? MESSAGES[outcome]);
  return { id, outcome, code, message, version, epoch };
}

/**
 * The code of a failure. Workers of other make may leave it out where the outcome says it; one of a newer version may say
 * a code that is not in the list yet.
 */
export function codeOf(outcome: 'fenced' | 'conflict' | 'rejected', code: string | undefined): RejectCode {
  if (code !== undefined) return code as RejectCode;
  if (outcome === 'fenced') return 'FENCED';
  return outcome === 'conflict' ? 'CONFLICT' : 'INVALID_COMMAND';
}

const OVERTAKEN = 'it was superseded by a version that this client did not issue';

export const MESSAGES = {
  fenced: 'the object was claimed with a higher epoch',
  conflict: 'another state of the object is stored',
  rejected: 'the command was rejected',
} as const;
