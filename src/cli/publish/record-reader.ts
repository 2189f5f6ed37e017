/**
 * Pieces of input to commands. Two forms: the wire form (an action line and, for a save, its document behind it) and
 * plain documents, whose type and id come from the command line; where these are given, every line is one. What a worker
 * would reject is found here, where the line is still known.
 */
import { isUtf8 } from 'node:buffer';
import { documentFault } from '../../contract/document.ts';
import { ContractError, type RejectCode } from '../../contract/errors.ts';
import { identifierFault } from '../../contract/identifier.ts';
import { usageFailure } from '../command-failure.ts';
import type { IdTemplate } from './id-template.ts';
import { type Piece, type Place, placeText } from './piece.ts';
import type { BadRecord, InputRecord } from './record.ts';
import { type InputCommand, looksLikeAction, readWireAction, type WireAction } from './wire-action.ts';

const SPACE = 0x20;
const TAB = 0x09;
const CARRIAGE_RETURN = 0x0d;

export interface RecordReaderOptions {
  /** Of plain documents; without it only the wire form is read. */
  readonly plain: { readonly type: string; readonly id: IdTemplate } | undefined;
  /** Of commands that give none. */
  readonly epoch: number;
  readonly documentBytesMax: number;
}

/** A save whose action line was read. */
interface PendingSave {
  readonly place: Place;
  readonly byteLength: number;
  readonly action: WireAction;
}

export class RecordReader {
  readonly #options: RecordReaderOptions;
  /** A save whose document is the next line. */
  #pending: PendingSave | undefined;
  #anyRead = false;

  constructor(options: RecordReaderOptions) {
    this.#options = options;
  }

  /**
   * What a piece completes: mostly one record, none for a blank line or the first half of a save.
   *
   * @throws CommandFailure if the input has plain documents and nobody said their type and id.
   */
  read(piece: Piece): InputRecord[] {
    const { bytes } = piece;
    const pending = this.#pending;
    if (bytes === undefined) {
      this.#pending = undefined;
      const place = pending?.place ?? piece;
      return [this.#tooLarge(place, piece.byteLength)];
    }
    if (!isUtf8(bytes)) {
      this.#pending = undefined;
      return [bad(pending?.place ?? piece, 'MALFORMED_FRAME', 'it is not UTF-8', piece.byteLength)];
    }
    if (pending !== undefined) return this.#readDocument(pending, piece, bytes);
    if (isBlank(bytes) && piece.element === undefined) return [];
    return this.#readFirst(piece, bytes);
  }

  /** What is left at the end of the input. */
  end(): InputRecord[] {
    const pending = this.#pending;
    this.#pending = undefined;
    return pending === undefined ? [] : [withoutDocument(pending.place)];
  }

  /** Reads what is an action line or a plain document. */
  #readFirst(piece: Piece, bytes: Buffer): InputRecord[] {
    const { plain } = this.#options;
    // Whoever says what plain documents are has no others: what looks like an action is a document that does.
    if (piece.element !== undefined || plain !== undefined) return [this.#plainRecord(piece, bytes)];
    let action: WireAction;
    try {
      action = readWireAction(bytes.toString());
    } catch (error) {
      if (!(error instanceof ContractError)) throw error;
      return [this.#notAnAction(piece, bytes, error)];
    }
    this.#anyRead = true;
    const name = (action.command ?? action.rejected).action;
    if (name === 'save') {
      this.#pending = { place: piece, byteLength: piece.byteLength, action };
      return [];
    }
    if (action.rejected !== undefined) {
      return [bad(piece, action.rejected.error.code, action.rejected.error.message, piece.byteLength)];
    }
    if (name !== 'delete') {
      const message = `a ${name} writes nothing; use holdfast ${name}`;
      return [bad(piece, 'INVALID_COMMAND', message, piece.byteLength)];
    }
    return [this.#record(piece, action.command, undefined, piece.byteLength)];
  }

  #readDocument({ place, byteLength, action }: PendingSave, piece: Piece, bytes: Buffer): InputRecord[] {
    this.#pending = undefined;
    // Somebody forgot the document: this is the next command, and must not be lost for one.
    if (actionIn(bytes) !== undefined) return [withoutDocument(place), ...this.#readFirst(piece, bytes)];
    const total = byteLength + piece.byteLength;
    if (action.rejected !== undefined) {
      return [bad(place, action.rejected.error.code, action.rejected.error.message, total)];
    }
    const fault = this.#documentFault(bytes);
    if (fault !== undefined) return [bad(piece, fault.code, fault.message, total)];
    return [this.#record(place, action.command, bytes, total)];
  }

  #plainRecord(piece: Piece, bytes: Buffer): InputRecord {
    const { plain, epoch } = this.#options;
    const fault = this.#documentFault(bytes);
    if (fault !== undefined) return bad(piece, fault.code, fault.message, piece.byteLength);
    if (plain === undefined) throw needsTypeAndId(piece);
    const result = plain.id.idOf(bytes);
    if (result.fault !== undefined) return bad(piece, 'INVALID_COMMAND', result.fault, piece.byteLength);
    const idFault = identifierFault(result.id);
    if (idFault !== undefined) {
      return bad(piece, 'INVALID_COMMAND', `the id made of it ${idFault}`, piece.byteLength);
    }
    return {
      kind: 'save',
      line: piece.line,
      element: piece.element,
      byteLength: piece.byteLength,
      id: result.id,
      type: plain.type,
      version: undefined,
      epoch,
      ifVersion: undefined,
      nextRcseq: undefined,
      document: bytes,
    };
  }

  #record(
    { line, element }: Place,
    command: InputCommand,
    document: Buffer | undefined,
    byteLength: number,
  ): InputRecord {
    if (command.action !== 'save' && command.action !== 'delete') throw new TypeError(command.action);
    const { id, ifVersion } = command;
    const version = command.versionGiven ? command.version : undefined;
    const epoch = command.epoch === 0 ? this.#options.epoch : command.epoch;
    const write = { line, element, byteLength, id, version, epoch, ifVersion };
    if (command.action === 'delete' || document === undefined) return { kind: 'delete', ...write };
    return { kind: 'save', ...write, type: command.type, nextRcseq: command.nextRcseq, document };
  }

  #notAnAction(piece: Piece, bytes: Buffer, error: ContractError): BadRecord {
    const isPlainDocument = documentFault(bytes, 0, bytes.length) === undefined;
    // The first line tells what kind of file it is; a stray document further down is one bad line.
    if (isPlainDocument && this.#options.plain === undefined && !this.#anyRead) throw needsTypeAndId(piece);
    const hint = isPlainDocument ? '; a plain document needs --type and --id' : '';
    return bad(piece, error.code, `${error.message}${hint}`, piece.byteLength);
  }

  #documentFault(bytes: Buffer): { readonly code: RejectCode; readonly message: string } | undefined {
    if (bytes.length > this.#options.documentBytesMax)
      return this.#tooLarge({ line: 0, element: undefined }, bytes.length);
    const fault = documentFault(bytes, 0, bytes.length);
    if (fault !== undefined) return fault;
    // Workers take such a document for a command whose own document was forgotten.
    if (actionIn(bytes)?.versionGiven === true) {
      return { code: 'INVALID_DOCUMENT', message: 'the document would be taken for a command' };
    }
    return undefined;
  }

  #tooLarge(place: Place, byteLength: number): BadRecord {
    const message = `the document has ${byteLength} bytes, more than ${this.#options.documentBytesMax} (documentBytesMax)`;
    return bad(place, 'TOO_LARGE', message, 0);
  }
}

/** The valid command that a line is, if it is one. */
function actionIn(bytes: Buffer): InputCommand | undefined {
  if (!looksLikeAction(bytes)) return undefined;
  try {
    return readWireAction(bytes.toString()).command;
  } catch (error) {
    if (error instanceof ContractError) return undefined;
    throw error;
  }
}

function isBlank(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === SPACE || byte === TAB || byte === CARRIAGE_RETURN);
}

function bad({ line, element }: Place, code: RejectCode, message: string, byteLength: number): BadRecord {
  return { kind: 'bad', line, element, code, message, byteLength };
}

function withoutDocument(place: Place): BadRecord {
  return bad(place, 'INVALID_DOCUMENT', 'the document of this save is missing', 0);
}

function needsTypeAndId(place: Place): Error {
  return usageFailure(
    `${placeText(place)} is a plain document, not an action line`,
    'Say the type and the id of plain documents, for example --type City --id "{country}-{name}"',
  );
}
