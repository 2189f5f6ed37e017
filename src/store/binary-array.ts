/**
 * PostgreSQL arrays in binary format, built in one buffer.
 *
 * Measured on PostgreSQL 15 with 500-byte documents: `unnest` of binary arrays writes as fast as binary COPY plus
 * merge from 1,000 rows up and faster below, at half the CPU of text arrays, whose elements must be escaped.
 *
 * Layout (src/backend/utils/adt/arrayfuncs.c, array_recv): int32 dimensions, int32 has-nulls, int32 element type,
 * then per dimension int32 length and int32 lower bound, then per element int32 byte length and the bytes.
 */

const HEADER_BYTES = 20;
const OID = { bool: 16, bytea: 17, int8: 20, text: 25, varchar: 1043, uuid: 2950, jsonb: 3802 } as const;
/** The version number that begins every jsonb in binary format. */
const JSONB_VERSION = 1;

/** Bytes of a document inside its frame. */
export interface DocumentBytes {
  readonly body: Buffer;
  readonly documentStart: number;
  readonly documentEnd: number;
}

function begin(oid: number, count: number, bytes: number): Buffer {
  const array = Buffer.allocUnsafe(HEADER_BYTES + 4 * count + bytes);
  array.writeInt32BE(count === 0 ? 0 : 1, 0);
  array.writeInt32BE(0, 4);
  array.writeInt32BE(oid, 8);
  array.writeInt32BE(count, 12);
  array.writeInt32BE(1, 16);
  // An empty array has no dimension, so it ends after the element type.
  return count === 0 ? array.subarray(0, 12) : array;
}

/** `varchar[]` of texts. */
export function varcharArray(values: readonly string[]): Buffer {
  let characters = 0;
  for (const value of values) characters += value.length;
  // A UTF-16 unit is at most three bytes of UTF-8.
  const array = begin(OID.varchar, values.length, 3 * characters);
  if (values.length === 0) return array;
  let at = HEADER_BYTES;
  for (const value of values) {
    const written = writeUtf8(array, value, at + 4);
    array.writeInt32BE(written, at);
    at += 4 + written;
  }
  return array.subarray(0, at);
}

/** Up to this many characters a loop is faster than the call into the runtime (Node 20: 20 ns against 70 ns for 12). */
const LOOP_CHARACTERS_MAX = 48;

/** Writes a text as UTF-8; returns its bytes. */
export function writeUtf8(target: Buffer, text: string, at: number): number {
  if (text.length > LOOP_CHARACTERS_MAX) return target.write(text, at);
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    if (unit > 0x7f) return target.write(text, at);
    target[at + i] = unit;
  }
  return text.length;
}

/** `bigint[]` of integers that are safe in JavaScript. */
export function bigintArray(values: readonly number[]): Buffer {
  const array = begin(OID.int8, values.length, 8 * values.length);
  let at = HEADER_BYTES;
  for (const value of values) {
    array.writeInt32BE(8, at);
    writeBigint(array, value, at + 4);
    at += 12;
  }
  return array;
}

/** Writes a safe non-negative integer as int8. */
export function writeBigint(target: Buffer, value: number, at: number): void {
  target.writeUInt32BE(Math.floor(value / 0x1_0000_0000), at);
  target.writeUInt32BE(value % 0x1_0000_0000, at + 4);
}

/** `boolean[]`. */
export function booleanArray(values: readonly boolean[]): Buffer {
  const array = begin(OID.bool, values.length, values.length);
  let at = HEADER_BYTES;
  for (const value of values) {
    array.writeInt32BE(1, at);
    array[at + 4] = value ? 1 : 0;
    at += 5;
  }
  return array;
}

/** `jsonb[]` of documents, whose bytes are copied as they came. */
export function jsonbArray(documents: readonly DocumentBytes[]): Buffer {
  let bytes = 0;
  for (const { documentStart, documentEnd } of documents) bytes += 1 + documentEnd - documentStart;
  const array = begin(OID.jsonb, documents.length, bytes);
  let at = HEADER_BYTES;
  for (const document of documents) {
    array.writeInt32BE(1 + document.documentEnd - document.documentStart, at);
    at = writeJsonb(array, document, at + 4);
  }
  return array;
}

/** `bytea[]` of documents: bytes that the server does not look into before it is told to. */
export function byteaArray(documents: readonly DocumentBytes[]): Buffer {
  let bytes = 0;
  for (const { documentStart, documentEnd } of documents) bytes += documentEnd - documentStart;
  const array = begin(OID.bytea, documents.length, bytes);
  let at = HEADER_BYTES;
  for (const { body, documentStart, documentEnd } of documents) {
    at = array.writeInt32BE(documentEnd - documentStart, at);
    at += body.copy(array, at, documentStart, documentEnd);
  }
  return array;
}

/** Writes a document as jsonb; returns the offset behind it. */
export function writeJsonb(target: Buffer, document: DocumentBytes, at: number): number {
  target[at] = JSONB_VERSION;
  return at + 1 + document.body.copy(target, at + 1, document.documentStart, document.documentEnd);
}
