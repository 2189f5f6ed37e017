/** What an input file asks for, one command at a time. */
import type { RejectCode } from '../../contract/errors.ts';
import type { Place } from './piece.ts';

/** Where a record stands in the input; of a save in wire form, its action line. */
interface Record extends Place {
  /** Bytes that it takes in memory until it is done. */
  readonly byteLength: number;
}

interface WriteRecord extends Record {
  readonly id: string;
  /** Missing where the input gives none: the client's clock assigns it. */
  readonly version: number | undefined;
  readonly epoch: number;
  readonly ifVersion: number | undefined;
}

export interface SaveRecord extends WriteRecord {
  readonly kind: 'save';
  readonly type: string;
  readonly nextRcseq: number | undefined;
  /** The document's bytes as they stand in the input. */
  readonly document: Buffer;
}

export interface DeleteRecord extends WriteRecord {
  readonly kind: 'delete';
}

/** Something in the input that cannot be published. */
export interface BadRecord extends Record {
  readonly kind: 'bad';
  readonly code: RejectCode;
  readonly message: string;
}

export type InputRecord = SaveRecord | DeleteRecord | BadRecord;
