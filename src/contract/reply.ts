/** Replies: outcomes to NDJSON lines and back, and the cutting of long replies into parts. */
import { z } from 'zod';
import type { RejectCode } from './errors.ts';
import { REPLY_PART_BYTES_MAX } from './limits.ts';

/** What became of a command. Exactly one for each, counted. */
export const OUTCOMES = [
  'applied',
  'superseded',
  'fenced',
  'conflict',
  'rejected',
  'found',
  'absent',
] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** One line of a reply. Readers ignore fields they do not know. */
const ReplyLine = z.object({
  /** Missing where the whole frame was rejected. */
  id: z.string().optional(),
  outcome: z.enum(OUTCOMES),
  /** `found` only: the object's type. */
  type: z.string().optional(),
  /** The stored version and epoch. */
  version: z.number().optional(),
  epoch: z.number().optional(),
  /** `found` only. */
  nextRcseq: z.number().optional(),
  /** Any text: a newer worker may know more codes than this reader. */
  code: z.string().optional(),
  message: z.string().optional(),
  /** On `conflict` and `superseded` of a redelivered frame: it may have been applied before, and overtaken. */
  redelivered: z.boolean().optional(),
});
export type ReplyLine = {
  readonly id?: string;
  readonly outcome: Outcome;
  readonly type?: string;
  readonly version?: number;
  readonly epoch?: number;
  readonly nextRcseq?: number;
  /** A `RejectCode`, or one of a newer version. */
  readonly code?: RejectCode | (string & {});
  readonly message?: string;
  readonly redelivered?: boolean;
};

/** A line and, after `found`, the document as PostgreSQL renders it. */
export interface ReplyItem {
  readonly line: ReplyLine;
  readonly document?: string | undefined;
}

/** Whether an outcome counts as a failure, which is always answered. */
export function isFailure(outcome: Outcome): boolean {
  return outcome === 'fenced' || outcome === 'conflict' || outcome === 'rejected';
}

/**
 * The bytes of a reply, in parts of at most 4 MiB cut between lines; a single longer line is a part of its own.
 * Always at least one part; an empty reply is one empty part.
 */
export function encodeReply(items: readonly ReplyItem[]): Buffer[] {
  const parts: Buffer[] = [];
  let lines: string[] = [];
  let bytes = 0;
  const add = (line: string): void => {
    const size = Buffer.byteLength(line) + 1;
    if (bytes > 0 && bytes + size > REPLY_PART_BYTES_MAX) {
      parts.push(Buffer.from(lines.join('')));
      lines = [];
      bytes = 0;
    }
    lines.push(line, '\n');
    bytes += size;
  };
  for (const { line, document } of items) {
    add(JSON.stringify(line));
    if (document !== undefined) add(document);
  }
  parts.push(Buffer.from(lines.join('')));
  return parts;
}

/**
 * Reads a whole reply, its parts joined.
 *
 * @param expectsDocument whether the found line of the n-th item is followed by a document.
 * @throws Error if the bytes are not a reply; nothing can then be said about the commands.
 */
export function decodeReply(body: Buffer, expectsDocument: (index: number) => boolean): ReplyItem[] {
  const items: ReplyItem[] = [];
  let at = 0;
  const readLine = (): string => {
    const newline = body.indexOf(0x0a, at);
    const end = newline < 0 ? body.length : newline;
    const text = body.toString('utf8', at, end);
    at = end + 1;
    return text;
  };
  while (at < body.length) {
    const line = ReplyLine.parse(JSON.parse(readLine())) as ReplyLine;
    if (line.outcome === 'found' && expectsDocument(items.length)) {
      if (at >= body.length) throw new Error('a found line has no document line');
      items.push({ line, document: readLine() });
    } else {
      items.push({ line });
    }
  }
  return items;
}
