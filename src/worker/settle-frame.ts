/**
 * The end of a frame: dead letters confirmed, then its reply, then its ack. In this order, so that a crash anywhere
 * brings the frame again, and nothing of it is lost.
 */
import type { Delivery } from '../broker/queue-consumer.ts';
import { ContractError } from '../contract/errors.ts';
import type { Entry } from '../contract/frame.ts';
import type { Outcome, ReplyItem } from '../contract/reply.ts';
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

export type AnsweredEntry = Pick<WorkEntry, 'answer' | 'rejection'> & {
  readonly entry: Entry;
  /** Instead of `answer`: what a list found, any number of lines; the last of them, where others were sent already. */
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
  const rejected = frame.entries.flatMap((work, position) => rejectionLetter(work, position, source));
  if (!(await letters.publish(rejected, delivery.live))) return;
  const items = frame.entries.flatMap(answersOf);
  const partsBefore = frame.entries[0]?.partsSent ?? 0;
  const refusals = frame.entries.flatMap((work, position) => refusalLetter(work, position, source));
  if (refusals.length === 0 || replies.isUsable(delivery)) {
    // Before anybody hears of them, so that who has an answer finds it counted.
    countOutcomes(frame.entries, context.metrics);
    const heard = await replies.send(delivery, items, { partsBefore });
    // Nothing that was confirmed disappears unheard: a refusal that nobody hears becomes a letter.
    if (!heard && !(await letters.publish(refusals, delivery.live))) return;
  } else {
    await replies.send(delivery, items);
    if (!(await letters.publish(refusals, delivery.live))) return;
    countOutcomes(frame.entries, context.metrics);
  }
  delivery.settle();
}

function answersOf({ answer, listed }: AnsweredEntry): readonly Answer[] {
  if (listed !== undefined) return listed;
  if (answer === undefined) throw new Error('a command was left without an answer');
  return [answer];
}

type Source = Parameters<typeof commandLetter>[0];

function rejectionLetter(work: AnsweredEntry, position: number, source: Source): DeadLetter[] {
  const { rejection } = work;
  // A load that came too late has nothing to replay.
  if (rejection === undefined || rejection.error.code === 'EXPIRED') return [];
  return [commandLetter(source, position, work.entry, rejection)];
}

/** The letter of a write that was fenced or in conflict. */
function refusalLetter(work: AnsweredEntry, position: number, source: Source): DeadLetter[] {
  const line = work.answer?.line;
  if (line?.outcome !== 'fenced' && line?.outcome !== 'conflict') return [];
  const code = line.outcome === 'fenced' ? 'FENCED' : 'CONFLICT';
  const what =
    line.outcome === 'fenced' ? 'the object was claimed with a higher epoch' : 'the stored state differs';
  const error = new ContractError(code, `${what}: version ${line.version}, epoch ${line.epoch} is stored`);
  return [commandLetter(source, position, work.entry, { error })];
}

function countOutcomes(entries: readonly AnsweredEntry[], metrics: Metrics): void {
  const counts = new Map<Outcome, number>();
  for (const { answer, listed = [], partsSent = 0 } of entries) {
    const outcome = answer?.line.outcome ?? (listed.length + partsSent === 0 ? 'absent' : 'found');
    counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
  }
  for (const [outcome, count] of counts) metrics.commands[outcome].inc(count);
}
