/**
 * A message of the dead-letter queue to a row of their table. Any message gives a row: letters of workers, letters that
 * the broker made (they have no headers of ours), and whatever a stranger publishes to the exchange.
 *
 * n.b. Bodies are not looked into. A frame that killed its worker fifty times would kill this one as well, and for ever,
 * since letters have no delivery limit.
 */
import type { Delivery } from '../broker/queue-consumer.ts';
import { REJECT_CODES, type RejectCode } from '../contract/errors.ts';
import { identifierFault } from '../contract/identifier.ts';
import { clipText, isLetterId, LETTER_HEADERS, replayedLetterId } from '../contract/letter.ts';
import type { LetterRow } from '../store/letter-row.ts';
import { letterId, publishedAt } from './dead-letter.ts';

/** @param commandsExchange what the names of the queues begin with from which the broker makes letters. */
export function readLetter(delivery: Delivery, commandsExchange: string): LetterRow {
  const headers = storableHeaders(delivery.headers);
  const death = brokerDeath(delivery.headers, commandsExchange);
  return death === undefined
    ? workerLetter(delivery, headers)
    : brokerLetter(delivery, headers, death, commandsExchange);
}

/**
 * The same letter without what a table could refuse, for when it does. The times stay: by them a replay knows that a
 * delete may have been forgotten.
 */
export function bareLetter({ letterId: id, failedAt, publishedAt: at, code, body }: LetterRow): LetterRow {
  return { ...NOTHING_KNOWN, letterId: id, failedAt, publishedAt: at, code, body, headers: {} };
}

const NOTHING_KNOWN = {
  publishedAt: undefined,
  objectId: undefined,
  objectType: undefined,
  version: undefined,
  partition: undefined,
  node: undefined,
  messageType: undefined,
  replayOf: undefined,
} as const;

type Headers = Readonly<Record<string, unknown>>;

function workerLetter(delivery: Delivery, headers: Headers): LetterRow {
  const text = (name: string): string | undefined => {
    const value = delivery.headers[name];
    return typeof value === 'string' ? value : undefined;
  };
  const code = REJECT_CODES.find((each) => each === text(LETTER_HEADERS.code));
  const given = text(LETTER_HEADERS.letterId)?.toLowerCase();
  const version = headers[LETTER_HEADERS.version];
  return {
    letterId: given !== undefined && isLetterId(given) ? given : letterId(delivery, -1, delivery.body),
    failedAt: time(text(LETTER_HEADERS.failedAt)) ?? publishedAt(delivery) ?? new Date().toISOString(),
    publishedAt: time(text(LETTER_HEADERS.publishedAt)),
    code: code ?? 'MALFORMED_FRAME',
    objectId: identifier(text(LETTER_HEADERS.objectId)),
    objectType: identifier(text(LETTER_HEADERS.objectType)),
    version: Number.isSafeInteger(version) && Number(version) >= 0 ? Number(version) : undefined,
    partition: partitionText(text(LETTER_HEADERS.partition)),
    node: identifier(text(LETTER_HEADERS.node)),
    messageType: identifier(delivery.type),
    replayOf: replayedLetterId(text(LETTER_HEADERS.messageId)),
    headers:
      code === undefined
        ? { ...headers, [LETTER_HEADERS.message]: 'a message that no worker has made' }
        : headers,
    body: delivery.body,
  };
}

/** What the broker says of why it set a message aside. */
interface Death {
  readonly reason: string;
  readonly queue: string;
  /** ISO 8601. */
  readonly at: string | undefined;
  readonly count: number;
}

function brokerLetter(
  delivery: Delivery,
  headers: Headers,
  { reason, queue, at, count }: Death,
  commandsExchange: string,
): LetterRow {
  const code: RejectCode = reason === 'expired' ? 'EXPIRED' : 'DELIVERY_LIMIT';
  const message =
    reason === 'delivery_limit'
      ? `RabbitMQ gave it up: it had returned to ${queue} too often`
      : `RabbitMQ set it aside from ${queue}: ${reason}`;
  return {
    ...NOTHING_KNOWN,
    letterId: letterId(delivery, -1, delivery.body),
    failedAt: at ?? publishedAt(delivery) ?? new Date().toISOString(),
    publishedAt: publishedAt(delivery),
    code,
    partition: partitionText(queue.slice(commandsExchange.length + 1)),
    node: identifier(delivery.appId),
    messageType: identifier(delivery.type),
    replayOf: replayedLetterId(delivery.messageId),
    headers: {
      ...headers,
      [LETTER_HEADERS.message]: clipText(message),
      [LETTER_HEADERS.attempts]: count,
      ...(delivery.messageId === undefined
        ? {}
        : { [LETTER_HEADERS.messageId]: clipText(delivery.messageId) }),
    },
    body: delivery.body,
  };
}

/** The newest entry of `x-death` that names a queue of commands; there is none if a worker made the letter. */
function brokerDeath(headers: Headers, commandsExchange: string): Death | undefined {
  const deaths: unknown = headers['x-death'];
  if (!Array.isArray(deaths)) return undefined;
  for (const death of deaths as readonly unknown[]) {
    if (typeof death !== 'object' || death === null) continue;
    const { reason, queue, time: at, count } = death as Record<string, unknown>;
    if (typeof queue !== 'string' || !queue.startsWith(`${commandsExchange}.`)) continue;
    return {
      reason: typeof reason === 'string' ? reason : 'for no reason given',
      queue,
      at: deathTime(at),
      count: typeof count === 'number' ? count : 1,
    };
  }
  return undefined;
}

/** amqplib reads an AMQP timestamp as `{ '!': 'timestamp', value: <seconds> }`. */
function deathTime(at: unknown): string | undefined {
  const seconds = typeof at === 'object' && at !== null && 'value' in at ? at.value : undefined;
  return typeof seconds === 'number' ? time(seconds * 1_000) : undefined;
}

/** Years that both Date and PostgreSQL write with four digits. */
const TIME_MAX_MS = Date.UTC(9_999, 0);

function time(given: string | number | undefined): string | undefined {
  const date = new Date(given ?? Number.NaN);
  const ms = date.getTime();
  return ms >= 0 && ms < TIME_MAX_MS ? date.toISOString() : undefined;
}

function identifier(text: string | undefined): string | undefined {
  return text === undefined || identifierFault(text) !== undefined ? undefined : text;
}

function partitionText(text: string | undefined): string | undefined {
  return text !== undefined && /^\d{1,2}\.\d{1,2}$/.test(text) ? text : undefined;
}

/** As JSON that jsonb takes: nested tables as they are, bytes in base64, no U+0000 and no lone surrogates. */
function storableHeaders(headers: Headers): Record<string, unknown> {
  return storable(headers, 0) as Record<string, unknown>;
}

/** AMQP tables nest, but nobody nests them this deep on purpose. */
const HEADER_DEPTH_MAX = 16;

function storable(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return value.replaceAll('\0', '\uFFFD').toWellFormed();
  if (typeof value === 'bigint') return String(value);
  if (typeof value !== 'object' || value === null) {
    return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
  }
  if (Buffer.isBuffer(value)) return value.toString('base64');
  if (depth === HEADER_DEPTH_MAX) return null;
  if (Array.isArray(value)) return value.map((item) => storable(item, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [storable(name, 0), storable(item, depth + 1)]),
  );
}
