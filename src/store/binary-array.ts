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
  let bytes = 0;
  for (const value of values) bytes += Buffer.byteLength(value);
  const array = begin(OID.varchar, values.length, bytes);
  let at = HEADER_BYTES;
  for (const value of values) {
    const written = array.write(value, at + 4);
    array.writeInt32BE(written, at);
    at += 4 + written;
  }
  return array;
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

/** `bytea[]` of bytes. */
export function byteaArray(values: readonly Buffer[]): Buffer {
  let bytes = 0;
  for (const value of values) bytes += value.length;
  const array = begin(OID.bytea, values.length, bytes);
  let at = HEADER_BYTES;
  for (const value of values) {
    array.writeInt32BE(value.length, at);
    at += 4 + value.copy(array, at + 4);
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

/** Writes a document as jsonb; returns the offset behind it. */
export function writeJsonb(target: Buffer, document: DocumentBytes, at: number): number {
  target[at] = JSONB_VERSION;
  return at + 1 + document.body.copy(target, at + 1, document.documentStart, document.documentEnd);
}
