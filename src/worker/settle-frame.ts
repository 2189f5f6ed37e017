/**
 * The end of a frame: dead letters confirmed, then its reply, then its ack. In this order, so that a crash anywhere
 * brings the frame again, and nothing of it is lost.
 */
import type { Delivery } from '../broker/queue-consumer.ts';
import { ContractError } from '../contract/errors.ts';
import type { Entry } from '../contract/frame.ts';
import { isFailure, OUTCOMES, type ReplyItem, type ReplyLine } from '../contract/reply.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { commandLetter, type DeadLetter, frameLetter } from './dead-letter.ts';
import type { DeadLetterPublisher } from './dead-letter-publisher.ts';
import type { ReplySender } from './reply-sender.ts';
import type { Answer, PartitionKey, Rejection, WorkEntry } from './work-frame.ts';

/** A frame of commands or of unordered loads. */
export interface AnsweredFrame {
  readonly delivery: Delivery;
  /** `undefined` for unordered loads. */
  readonly key: PartitionKey | undefined;
  readonly rejection: Rejection | undefined;
  readonly entries: readonly AnsweredEntry[];
}

export type AnsweredEntry = Pick<WorkEntry, 'line' | 'document' | 'rejection'> & {
  readonly entry: Entry;
  /** Instead of `line`: what a list found, any number of lines; the last of them, where others were sent already. */
  readonly listed?: readonly ReplyItem[] | undefined;
  /** Parts of the reply that were sent already; only of a list, which is alone in its frame. */
  readonly partsSent?: number;
};

export interface SettleContext {
  readonly letters: DeadLetterPublisher;
  readonly replies: ReplySender;
  readonly metrics: Metrics;
  readonly workerName: string;
}

/**
 * Settles, at once, a frame that is over with its ack: without letters, and without anybody who wants to hear of it. Most are
 * such, and with one command per frame it is done for every command.
 *
 * @returns whether it is such a frame; if not, nothing was done.
 */
export function settleQuietFrame(frame: AnsweredFrame, { replies, metrics }: SettleContext): boolean {
  const { delivery, entries } = frame;
  if (frame.rejection !== undefined || !entries.every(isQuiet)) return false;
  if (!replies.isSilent(delivery, entries)) return false;
  countOutcomes(entries, metrics);
  delivery.settle();
  return true;
}

/**
 * Settles a frame of which every command has its answer.
 *
 * @throws StoppedError if the worker stops before the letters are confirmed; the frame then returns to its queue.
 */
export async function settleFrame(frame: AnsweredFrame, context: SettleContext): Promise<void> {
  const { delivery } = frame;
  const { letters, replies } = context;
  const source = { delivery, key: frame.key, workerName: context.workerName };
  if (frame.rejection !== undefined) {
    if (!(await letters.publish([frameLetter(source, frame.rejection)], delivery.live))) return;
    const { code, message } = frame.rejection.error;
    context.metrics.commands.rejected.inc();
    await replies.send(delivery, [{ line: { outcome: 'rejected', code, message } }]);
    delivery.settle();
    return;
  }
  if (!(await letters.publish(rejectionLetters(frame, source), delivery.live))) return;
  const items = answersOf(frame);
  const partsBefore = frame.entries[0]?.partsSent ?? 0;
  const refusals = refusalLetters(frame, source);
  if (refusals.length === 0 || replies.isUsable(delivery)) {
    // Before anybody hears of them, so that who has an answer finds it counted.
    countOutcomes(frame.entries, context.metrics);
    const heard = await replies.send(delivery, items, { partsBefore });
    // It has returned to its queue, and is answered when it comes again.
    if (!heard && !delivery.live()) return;
    // Nothing that was confirmed disappears unheard: a refusal that nobody hears becomes a letter.
    if (!heard && !(await letters.publish(refusals, delivery.live))) return;
  } else {
    await replies.send(delivery, items);
    if (!(await letters.publish(refusals, delivery.live))) return;
    countOutcomes(frame.entries, context.metrics);
  }
  delivery.settle();
}

type Source = Parameters<typeof commandLetter>[0];

function rejectionLetters({ entries }: AnsweredFrame, source: Source): DeadLetter[] {
  const letters: DeadLetter[] = [];
  for (let position = 0; position < entries.length; position += 1) {
    const work = entries[position];
    // A load that came too late has nothing to replay.
    if (work?.rejection === undefined || work.rejection.error.code === 'EXPIRED') continue;
    letters.push(commandLetter(source, position, work.entry, work.rejection));
  }
  return letters;
}

/** The letters of writes that were fenced or in conflict. */
function refusalLetters({ entries }: AnsweredFrame, source: Source): DeadLetter[] {
  const letters: DeadLetter[] = [];
  for (let position = 0; position < entries.length; position += 1) {
    const work = entries[position];
    if (work?.line?.outcome === 'fenced' || work?.line?.outcome === 'conflict') {
      letters.push(refusalLetter(work.line, work.entry, position, source));
    }
  }
  return letters;
}

function refusalLetter(line: ReplyLine, entry: Entry, position: number, source: Source): DeadLetter {
  const isFenced = line.outcome === 'fenced';
  const what = isFenced ? 'the object was claimed with a higher epoch' : 'the stored state differs';
  const message = `${what}: version ${line.version}, epoch ${line.epoch} is stored`;
  const error = new ContractError(isFenced ? 'FENCED' : 'CONFLICT', message);
  return commandLetter(source, position, entry, { error });
}

function answersOf({ entries }: AnsweredFrame): readonly Answer[] {
  const [first] = entries;
  // A list is alone in its frame.
  if (first?.listed !== undefined) return first.listed;
  if (entries.every(isAnswered)) return entries;
  throw new Error('a command was left without an answer');
}

function isAnswered(work: AnsweredEntry): work is AnsweredEntry & Answer {
  return work.line !== undefined;
}

/** Documents are counted until they are dropped, even where nobody is to have them. */
function isQuiet(work: AnsweredEntry): work is AnsweredEntry & Answer {
  return isAnswered(work) && work.document === undefined && !isFailure(work.line.outcome);
}

function countOutcomes(entries: readonly AnsweredEntry[], { commands }: Metrics): void {
  const counts = { applied: 0, superseded: 0, fenced: 0, conflict: 0, rejected: 0, found: 0, absent: 0 };
  for (const { line, listed = [], partsSent = 0 } of entries) {
    counts[line?.outcome ?? (listed.length + partsSent === 0 ? 'absent' : 'found')] += 1;
  }
  for (const outcome of OUTCOMES) if (counts[outcome] > 0) commands[outcome].inc(counts[outcome]);
}
