/** A dead letter as its table has it. */

/** Times are ISO 8601 with microseconds, UTC. */
export interface StoredLetter {
  readonly number: number;
  readonly letterId: string;
  readonly failedAt: string;
  readonly publishedAt: string | null;
  readonly movedAt: string;
  readonly code: string;
  readonly objectId: string | null;
  readonly objectType: string | null;
  readonly version: number | null;
  readonly partition: string | null;
  readonly node: string | null;
  readonly messageType: string | null;
  /** Of the body. */
  readonly bytes: number;
  readonly replayAttempts: number;
  readonly attemptedAt: string | null;
  /** What the last attempt came to. */
  readonly replayOutcome: string | null;
  readonly replayedAt: string | null;
  readonly droppedAt: string | null;
  /** The reason as a person reads it. */
  readonly message: string | null;
}

/** With everything. */
export interface WholeLetter extends StoredLetter {
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Buffer;
}

const time = (column: string): string =>
  `to_char(l.${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

/** One JSON object, whose keys are the properties of `StoredLetter`; for a table named `l`. */
export const LETTER_JSON = `
  json_build_object(
    'number', l.number, 'letterId', l.letter_id, 'failedAt', ${time('failed_at')},
    'publishedAt', ${time('published_at')}, 'movedAt', ${time('moved_at')}, 'code', l.code,
    'objectId', l.object_id, 'objectType', l.object_type, 'version', l.version, 'partition', l.partition,
    'node', l.node, 'messageType', l.message_type, 'bytes', octet_length(l.body),
    'replayAttempts', l.replay_attempts, 'attemptedAt', ${time('attempted_at')},
    'replayOutcome', l.replay_outcome, 'replayedAt', ${time('replayed_at')}, 'droppedAt', ${time('dropped_at')},
    'message', l.headers ->> 'holdfast-message')`;

/** Whether it waits for somebody to decide. */
export function isOpen({ replayedAt, droppedAt }: StoredLetter): boolean {
  return replayedAt === null && droppedAt === null;
}
