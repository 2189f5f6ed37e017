/** The headers of a dead letter. Scalars only: RabbitMQ maps nothing else to AMQP 1.0 properties. */

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
 * so only the three free texts may be that long, and the others are bounded by what they hold: 3 x 6 kB + 2 ids of
 * 255 code points (1 kB each) stay far below.
 */
export const LETTER_TEXT_CHARACTERS_MAX = 2_048;

/** Cuts a free text to what a header may hold, without cutting a surrogate pair in two. */
export function clipText(text: string): string {
  if (text.length <= LETTER_TEXT_CHARACTERS_MAX) return text.toWellFormed();
  return `${text.slice(0, LETTER_TEXT_CHARACTERS_MAX - 1).toWellFormed()}…`;
}
