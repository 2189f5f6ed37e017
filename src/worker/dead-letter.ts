/** The message that a rejected command, or a rejected frame, becomes. */
import { v5 } from 'uuid';
import type { PublishProperties } from '../broker/confirming-publisher.ts';
import type { Delivery } from '../broker/queue-consumer.ts';
import type { RejectCode } from '../contract/errors.ts';
import type { Entry } from '../contract/frame.ts';
import { clipText, issuesText, LETTER_HEADERS } from '../contract/letter.ts';
import { COMMANDS_TYPE, NDJSON_CONTENT_TYPE, routingKey } from '../contract/names.ts';
import type { PartitionKey, Rejection } from './work-frame.ts';

export interface DeadLetter {
  readonly code: RejectCode;
  readonly body: Buffer;
  readonly properties: PublishProperties;
}

/** Made once for this purpose; the namespace of all letter ids. */
const LETTER_NAMESPACE = '6d9c2b1e-4a57-4f0e-9a35-0c8f6f1d7b42';

/**
 * The id of a letter: the same for every delivery of the same command, so that a redelivered one makes no second
 * letter. The bytes count as well, since not every publisher gives every message an id of its own; where there is none,
 * node and time stand in for it.
 *
 * @param position index of the command in its frame; -1 for the whole frame.
 */
export function letterId({ messageId, appId, timestamp }: Delivery, position: number, body: Buffer): string {
  const name = JSON.stringify(messageId === undefined ? [appId, timestamp, position] : [messageId, position]);
  return v5(Buffer.concat([Buffer.from(name), body]), LETTER_NAMESPACE);
}

/** The id of the letter of a whole frame, and so of the frame. */
export function frameLetterId(delivery: Delivery): string {
  return letterId(delivery, -1, delivery.body);
}

export interface LetterSource {
  readonly delivery: Delivery;
  /** `undefined` for the queue of unordered loads. */
  readonly key: PartitionKey | undefined;
  readonly workerName: string;
}

/** The letter of a whole frame, untouched. */
export function frameLetter(source: LetterSource, rejection: Rejection): DeadLetter {
  return letter(source, -1, source.delivery.body, rejection, {});
}

/** The letter of one command: its own lines, byte for byte. */
export function commandLetter(
  source: LetterSource,
  position: number,
  entry: Entry,
  rejection: Rejection,
): DeadLetter {
  const body = source.delivery.body.subarray(entry.start, entry.end);
  const { command, rejected } = entry;
  if (command === undefined) return letter(source, position, body, rejection, rejected ?? {});
  const subject: Subject = command.action === 'list' ? { type: command.type } : command;
  return letter(source, position, body, rejection, subject);
}

interface Subject {
  readonly id?: string | undefined;
  readonly type?: string | undefined;
  readonly version?: number | undefined;
}

function letter(
  { delivery, key, workerName }: LetterSource,
  position: number,
  body: Buffer,
  { error, storeError, attempts = 1 }: Rejection,
  { id, type, version }: Subject,
): DeadLetter {
  const failedAt = new Date();
  const messageId = letterId(delivery, position, body);
  const headers: Record<string, string | number | undefined> = {
    [LETTER_HEADERS.code]: error.code,
    [LETTER_HEADERS.message]: clipText(error.message),
    [LETTER_HEADERS.sqlstate]: storeError?.sqlstate,
    [LETTER_HEADERS.constraint]: storeError?.constraint,
    [LETTER_HEADERS.issues]: error.issues === undefined ? undefined : issuesText(error.issues),
    [LETTER_HEADERS.partition]: key === undefined ? undefined : routingKey(key.partitionCount, key.partition),
    [LETTER_HEADERS.objectId]: id,
    [LETTER_HEADERS.objectType]: type,
    [LETTER_HEADERS.version]: version,
    [LETTER_HEADERS.worker]: workerName,
    [LETTER_HEADERS.letterId]: messageId,
    [LETTER_HEADERS.failedAt]: failedAt.toISOString(),
    [LETTER_HEADERS.attempts]: attempts,
    [LETTER_HEADERS.messageId]: clipped(delivery.messageId),
    [LETTER_HEADERS.node]: clipped(delivery.appId),
    [LETTER_HEADERS.publishedAt]: publishedAt(delivery),
    [LETTER_HEADERS.traceparent]: clipped(delivery.headers[LETTER_HEADERS.traceparent]),
  };
  return {
    code: error.code,
    body,
    properties: {
      messageId,
      type: delivery.type ?? COMMANDS_TYPE,
      contentType: NDJSON_CONTENT_TYPE,
      timestamp: Math.floor(failedAt.getTime() / 1_000),
      persistent: true,
      headers: Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined)),
    },
  };
}

/** ISO 8601; nothing where the publisher gave a time that is none, such as microseconds. */
export function publishedAt({ timestamp }: Delivery): string | undefined {
  const date = new Date((timestamp ?? Number.NaN) * 1_000);
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString();
}

function clipped(value: unknown): string | undefined {
  return typeof value === 'string' ? clipText(value) : undefined;
}
