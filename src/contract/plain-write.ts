/**
 * Reads the action line of a write straight from its bytes, if it is plain: no white space, no escapes, every field known,
 * valid and given once. That is what clients write. Everything else is left to `readActionLine`, which decides what is
 * valid; a property test holds the two against each other. Measured: a sixth of the time of `JSON.parse` and Zod.
 */
import type { DeleteCommand, SaveCommand } from './command.ts';
import { IDENTIFIER_CHARACTERS_MAX } from './limits.ts';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const CLOSE_BRACE = 0x7d;
const ZERO = 0x30;
const NINE = 0x39;

const SAVE = Buffer.from('{"save":{');
const DELETE = Buffer.from('{"delete":{');

/** Field names with quotes and colon, told apart by their first letters. */
const ID = Buffer.from('"id":');
const TYPE = Buffer.from('"type":');
const VERSION = Buffer.from('"version":');
const EPOCH = Buffer.from('"epoch":');
const IF_VERSION = Buffer.from('"ifVersion":');
const NEXT_RCSEQ = Buffer.from('"nextRcseq":');

/** 15 digits are always below 2^53; versions in microseconds have 16, up to 9007199254740991. */
const DIGITS_MAX = 16;

/** Where the reading stands; shared, since a reading never yields to another. */
let at = 0;

/** The write in `bytes[start, end)`, or `undefined` if it must be read with more care. The bytes must be valid UTF-8. */
export function readPlainWrite(
  bytes: Buffer,
  start: number,
  end: number,
): SaveCommand | DeleteCommand | undefined {
  const isSave = startsWith(bytes, start, end, SAVE);
  if (!isSave && !startsWith(bytes, start, end, DELETE)) return undefined;
  at = start + (isSave ? SAVE.length : DELETE.length);
  let id: string | undefined;
  let type: string | undefined;
  let version: number | undefined;
  let epoch: number | undefined;
  let ifVersion: number | undefined;
  let nextRcseq: number | undefined;
  for (;;) {
    if (id === undefined && skip(bytes, end, ID)) {
      id = readIdentifier(bytes, end);
      if (id === undefined) return undefined;
    } else if (type === undefined && isSave && skip(bytes, end, TYPE)) {
      type = readType(bytes, end);
      if (type === undefined) return undefined;
    } else if (version === undefined && skip(bytes, end, VERSION)) {
      version = readInteger(bytes, end);
      if (version === undefined || version === 0) return undefined;
    } else if (epoch === undefined && skip(bytes, end, EPOCH)) {
      epoch = readInteger(bytes, end);
      if (epoch === undefined) return undefined;
    } else if (ifVersion === undefined && skip(bytes, end, IF_VERSION)) {
      ifVersion = readInteger(bytes, end);
      if (ifVersion === undefined) return undefined;
    } else if (nextRcseq === undefined && isSave && skip(bytes, end, NEXT_RCSEQ)) {
      nextRcseq = readInteger(bytes, end);
      if (nextRcseq === undefined) return undefined;
    } else {
      return undefined;
    }
    if (at >= end || bytes[at] !== COMMA) break;
    at += 1;
  }
  if (at + 2 !== end || bytes[at] !== CLOSE_BRACE || bytes[at + 1] !== CLOSE_BRACE) return undefined;
  if (id === undefined || version === undefined) return undefined;
  if (!isSave) return { action: 'delete', id, version, epoch: epoch ?? 0, ifVersion };
  if (type === undefined) return undefined;
  return { action: 'save', id, type, version, epoch: epoch ?? 0, ifVersion, nextRcseq };
}

function startsWith(bytes: Buffer, from: number, end: number, expected: Buffer): boolean {
  if (from + expected.length > end) return false;
  for (let i = 0; i < expected.length; i += 1) if (bytes[from + i] !== expected[i]) return false;
  return true;
}

function skip(bytes: Buffer, end: number, expected: Buffer): boolean {
  if (!startsWith(bytes, at, end, expected)) return false;
  at += expected.length;
  return true;
}

/** The type read last, if it is ASCII: mostly the next is the same, and need not be made anew. */
let lastType = '';

function readType(bytes: Buffer, end: number): string | undefined {
  const length = lastType.length;
  if (length > 0 && at + length + 1 < end && bytes[at] === QUOTE && bytes[at + length + 1] === QUOTE) {
    let i = 0;
    while (i < length && bytes[at + 1 + i] === lastType.charCodeAt(i)) i += 1;
    if (i === length) {
      at += length + 2;
      return lastType;
    }
  }
  const start = at;
  const type = readIdentifier(bytes, end);
  // As many characters as bytes between the quotes.
  if (type !== undefined && type.length === at - start - 2) lastType = type;
  return type;
}

/** As many bytes as an identifier may have characters: longer ones are counted with more care. */
function readIdentifier(bytes: Buffer, end: number): string | undefined {
  if (at >= end || bytes[at] !== QUOTE) return undefined;
  const start = at + 1;
  const limit = Math.min(end, start + IDENTIFIER_CHARACTERS_MAX + 1);
  let isAscii = true;
  let i = start;
  for (; i < limit; i += 1) {
    const byte = bytes[i] as number;
    if (byte === QUOTE) break;
    if (byte === BACKSLASH || byte < 0x20) return undefined;
    if (byte > 0x7f) isAscii = false;
  }
  if (i >= limit || i === start) return undefined;
  at = i + 1;
  return isAscii ? bytes.toString('latin1', start, i) : bytes.toString('utf8', start, i);
}

function readInteger(bytes: Buffer, end: number): number | undefined {
  const start = at;
  let value = 0;
  while (at < end) {
    const byte = bytes[at] as number;
    if (byte < ZERO || byte > NINE) break;
    value = value * 10 + (byte - ZERO);
    at += 1;
  }
  const digits = at - start;
  if (digits === 0 || digits > DIGITS_MAX || (digits > 1 && bytes[start] === ZERO)) return undefined;
  // Sixteen digits may be more than 2^53-1, and are then not exact; they are read with more care.
  return value <= Number.MAX_SAFE_INTEGER ? value : undefined;
}
