/**
 * Rows in the binary COPY format, built in one buffer (PostgreSQL manual, COPY, "Binary Format"): a header, then per
 * row int16 field count and per field int32 byte length and the bytes, then int16 -1.
 */
import { writeBigint, writeJsonb, writeUtf8 } from './binary-array.ts';
import type { ObjectRow } from './store.ts';

const SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1');
const HEADER_BYTES = SIGNATURE.length + 4 + 4;
const TRAILER_BYTES = 2;
const FIELDS = 7;
/** int16 field count; seven int32 lengths; ord int4; version, epoch, next_rcseq int8; jsonb version byte. */
const FIXED_ROW_BYTES = 2 + FIELDS * 4 + 4 + 3 * 8 + 1;

/** Largest buffer that is kept from one batch to the next: twice the default bytes of a batch. */
const KEPT_BYTES_MAX = 16 * 1_048_576;

/** The buffer that one connection's batches are encoded into, one after the other. */
export class CopyRoom {
  #kept = Buffer.alloc(0);

  /** At least so many bytes; what was in them is forgotten. */
  take(bytes: number): Buffer {
    if (bytes <= this.#kept.length) return this.#kept;
    const taken = Buffer.allocUnsafeSlow(bytes);
    if (bytes <= KEPT_BYTES_MAX) this.#kept = taken;
    return taken;
  }
}

/**
 * The columns are ord (the row's index, from 0), object_id, object_type, version, epoch, next_rcseq, data.
 *
 * @param room what is returned lies in it, so it must have been sent before the next call.
 */
export function encodeCopyRows(rows: readonly ObjectRow[], room: CopyRoom): Buffer {
  let bytes = HEADER_BYTES + TRAILER_BYTES;
  for (const row of rows) {
    // A UTF-16 unit is at most three bytes of UTF-8; counting them would cost more than the room.
    bytes += FIXED_ROW_BYTES + 3 * (row.id.length + row.type.length);
    bytes += row.documentEnd - row.documentStart;
  }
  const target = room.take(bytes);
  SIGNATURE.copy(target);
  let at = target.writeInt32BE(0, SIGNATURE.length);
  at = target.writeInt32BE(0, at);
  for (const [ord, row] of rows.entries()) {
    at = target.writeInt16BE(FIELDS, at);
    at = target.writeInt32BE(4, at);
    at = target.writeInt32BE(ord, at);
    at = writeText(target, row.id, at);
    at = writeText(target, row.type, at);
    for (const value of [row.version, row.epoch, row.nextRcseq]) {
      at = target.writeInt32BE(8, at);
      writeBigint(target, value, at);
      at += 8;
    }
    at = target.writeInt32BE(1 + row.documentEnd - row.documentStart, at);
    at = writeJsonb(target, row, at);
  }
  at = target.writeInt16BE(-1, at);
  return target.subarray(0, at);
}

function writeText(target: Buffer, text: string, at: number): number {
  const written = writeUtf8(target, text, at + 4);
  target.writeInt32BE(written, at);
  return at + 4 + written;
}
