/** A letter as the frames that are published for it: one for each partition that its commands belong to today. */
import { REPLAY_MESSAGE_ID_PREFIX } from '../contract/letter.ts';
import { routingKey } from '../contract/names.ts';
import { partitionOf } from '../contract/partition.ts';
import type { WholeLetter } from '../store/stored-letter.ts';
import type { LetterContent } from './letter-content.ts';

export interface ReplayFrame {
  readonly routingKey: string;
  /** The same in every run, so that the worker makes the same letter if it refuses again. */
  readonly messageId: string;
  readonly body: Buffer;
}

/**
 * The frames of a letter that has at least one valid write. Loads are left out. What is invalid beside valid writes goes
 * with them, and comes back as a letter of its own.
 *
 * @param edition set for bytes that are not those of the letter: what tells them from others.
 */
export function replayFrames(
  { letterId, body }: Pick<WholeLetter, 'letterId' | 'body'>,
  { writes, invalid, loads }: LetterContent,
  partitions: number,
  edition?: string,
): ReplayFrame[] {
  const parts = new Map<string, { readonly start: number; readonly end: number }[]>();
  for (const { command, start, end } of writes) {
    const key = routingKey(partitions, partitionOf(command.id, partitions));
    const part = parts.get(key);
    if (part === undefined) parts.set(key, [{ start, end }]);
    else part.push({ start, end });
  }
  // Any partition rejects what is invalid for the same reason; the first has room.
  const [first] = parts.values();
  first?.push(...invalid.map(({ start, end }) => ({ start, end })));
  const messageId = [`${REPLAY_MESSAGE_ID_PREFIX}${letterId}`, ...(edition === undefined ? [] : [edition])];
  if (parts.size === 1 && loads === 0) {
    const [key = ''] = parts.keys();
    return [{ routingKey: key, messageId: messageId.join('/'), body }];
  }
  return Array.from(parts, ([key, ranges]) => ({
    routingKey: key,
    messageId: [...messageId, key].join('/'),
    body: joined(body, ranges),
  }));
}

const NEWLINE = Buffer.from('\n');

/** The lines of a frame's commands in their order. The last of a body may lack its newline. */
function joined(body: Buffer, ranges: readonly { readonly start: number; readonly end: number }[]): Buffer {
  return Buffer.concat(
    ranges
      .toSorted((one, other) => one.start - other.start)
      .flatMap(({ start, end }) => {
        const lines = body.subarray(start, end);
        return lines.at(-1) === NEWLINE[0] ? [lines] : [lines, NEWLINE];
      }),
  );
}
