/** The headers of a dead letter. Scalars only: RabbitMQ maps nothing else to AMQP 1.0 properties. */
import type { IssuePath } from './errors.ts';

export const LETTER_HEADERS = {
  code: 'holdfast-code',
  message: 'holdfast-message',
  sqlstate: 'holdfast-sqlstate',
  constraint: 'holdfast-constraint',
  issues: 'holdfast-issues',
  partition: 'holdfast-partition',
  objectId: 'holdfast-object-id',
  objectType: 'holdfast-object-type',
  version: 'holdfast-version',
  worker: 'holdfast-worker',
  letterId: 'holdfast-letter-id',
  failedAt: 'holdfast-failed-at',
  attempts: 'holdfast-attempts',
  messageId: 'holdfast-message-id',
  node: 'holdfast-node',
  publishedAt: 'holdfast-published-at',
  traceparent: 'traceparent',
} as const;

/**
 * Longest text in one header, in characters. A header table above 64 KiB kills the connection (amqplib refuses it with
 * a RangeError); 17 headers of at most 2,048 characters of at most 3 bytes of UTF-8 each are 104 kB in the worst case,
 * so only the four free texts may be that long, and the others are bounded by what they hold: 4 x 6 kB + 2 ids of
 * 255 code points (1 kB each) stay far below.
 */
export const LETTER_TEXT_CHARACTERS_MAX = 2_048;

/**
 * What the message id of a replayed letter begins with; the id of the letter follows. The same in every run, so a letter
 * that is refused again becomes the same new letter, however often it is tried.
 */
export const REPLAY_MESSAGE_ID_PREFIX = 'holdfast-replay/';

/** The letter that was replayed, whole and unchanged, with this message id; `undefined` if none was. */
export function replayedLetterId(messageId: string | undefined): string | undefined {
  if (messageId?.startsWith(REPLAY_MESSAGE_ID_PREFIX) !== true) return undefined;
  const letterId = messageId.slice(REPLAY_MESSAGE_ID_PREFIX.length);
  return isLetterId(letterId) ? letterId : undefined;
}

const LETTER_ID_PATTERN = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Whether a text is the id of a letter: a UUID in lower case. */
export function isLetterId(text: string): boolean {
  return LETTER_ID_PATTERN.test(text);
}

/**
 * Cuts a free text to what a header may hold, without cutting a surrogate pair in two, and takes out what could not be
 * stored in the table that letters are moved to.
 */
export function clipText(text: string): string {
  return (text.length <= LETTER_TEXT_CHARACTERS_MAX ? text : `${headOf(text)}…`)
    .replaceAll('\0', '\uFFFD')
    .toWellFormed();
}

/** Longest key in a path; what is longer is recognised by its beginning. */
const ISSUE_KEY_CHARACTERS_MAX = 100;

/**
 * The paths of issues as they stand in a header: JSON, an array of arrays of keys and indexes. The last ones are left
 * out if all of them are too long.
 */
export function issuesText(paths: readonly IssuePath[]): string {
  let text = '';
  for (const path of paths) {
    const steps = path.map((step) => (typeof step === 'string' ? clipKey(step) : step));
    const next = `${text === '' ? '' : `${text},`}${JSON.stringify(steps)}`;
    if (next.length + 2 > LETTER_TEXT_CHARACTERS_MAX) break;
    text = next;
  }
  return `[${text}]`;
}

function clipKey(key: string): string {
  return key.slice(0, ISSUE_KEY_CHARACTERS_MAX).replaceAll('\0', '\uFFFD').toWellFormed();
}

function headOf(text: string): string {
  const end = LETTER_TEXT_CHARACTERS_MAX - 1;
  const last = text.charCodeAt(end - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? end - 1 : end);
}
