/** Replays one letter with other bytes than its own, and writes down what was changed. */
import { createHash } from 'node:crypto';
import { type AuditBegin, beginAudit } from '../store/begin-audit.ts';
import type { Queryable } from '../store/connection.ts';
import { noteAudit } from '../store/note-audit.ts';
import { noteReplays } from '../store/note-replays.ts';
import type { WholeLetter } from '../store/stored-letter.ts';
import type { LetterForecast } from './forecast.ts';
import { replayFrames } from './replay-frames.ts';
import type { ReplayLink } from './replay-link.ts';
import { CLOSING_OUTCOMES, originOf, outcomeOf, type ReplayOutcome } from './replay-run.ts';

export interface EditedLetter {
  /** As it is in the table. */
  readonly original: WholeLetter;
  /** Of the new bytes; it has at least one valid write. */
  readonly forecast: LetterForecast;
}

export interface ReplayEditedOptions {
  readonly partitions: number;
  readonly audit: Pick<AuditBegin, 'who'>;
}

/** @throws HoldfastError if a server is lost or no worker answers; the letter then stays open. */
export async function replayEdited(
  connection: Queryable,
  link: ReplayLink,
  { original, forecast }: EditedLetter,
  { partitions, audit }: ReplayEditedOptions,
): Promise<ReplayOutcome> {
  const before = sha256(original.body);
  const after = sha256(forecast.letter.body);
  const filter = { numbers: [original.number], letterId: original.letterId };
  // Before it is sent: what was sent is never without a record.
  const auditId = await beginAudit(connection, {
    ...audit,
    action: 'edit',
    filter,
    counts: { before, after },
  });
  const frames = replayFrames(forecast.letter, forecast.content, partitions, after.slice(0, 16));
  const replies = await Promise.all(frames.map((frame) => link.send(frame, originOf(original))));
  const outcome = outcomeOf(replies.flat());
  const closes = CLOSING_OUTCOMES.includes(outcome);
  await noteReplays(connection, [{ number: original.number, outcome, closes }]);
  await noteAudit(connection, auditId, { [outcome]: 1, before, after }, true);
  return outcome;
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
