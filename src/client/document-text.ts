/**
 * A document as the caller gives it, to the one line of JSON that is sent. What a worker would reject is refused here
 * already, where the caller can see why.
 */
import { isUtf8 } from 'node:buffer';
import { readActionLine } from '../contract/command.ts';
import { documentFault } from '../contract/document.ts';
import { ContractError } from '../contract/errors.ts';
import { DOCUMENT_DEPTH_MAX } from '../contract/limits.ts';

/**
 * A plain object, written with `JSON.stringify`; or a JSON object as text or as UTF-8 bytes, which is sent as it is, so
 * that integers beyond 2^53 survive. Only newlines between its tokens become spaces.
 */
export type Document = object | string | Uint8Array;

/**
 * The document as one line.
 *
 * @throws ContractError `INVALID_DOCUMENT`, `UNSTORABLE` or `TOO_LARGE`.
 */
export function documentText(document: unknown, bytesMax: number): string {
  const text =
    typeof document === 'string'
      ? textOfText(document, bytesMax)
      : document instanceof Uint8Array
        ? textOfBytes(document, bytesMax)
        : textOfObject(document, bytesMax);
  if (beginsLikeAction(text) && isAction(text)) {
    throw new ContractError('INVALID_DOCUMENT', 'the document would be taken for a command');
  }
  return text;
}

function textOfText(text: string, bytesMax: number): string {
  refuseAbove(Buffer.byteLength(text), bytesMax);
  // The encoder would put U+FFFD in its place and say nothing.
  if (!text.isWellFormed()) throw new ContractError('UNSTORABLE', 'the document has a lone surrogate');
  refuseFaulty(Buffer.from(text));
  return onOneLine(text);
}

function textOfBytes(bytes: Uint8Array, bytesMax: number): string {
  refuseAbove(bytes.length, bytesMax);
  if (!isUtf8(bytes)) throw new ContractError('INVALID_DOCUMENT', 'the document is not UTF-8');
  refuseFaulty(bytes);
  return onOneLine(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString());
}

function textOfObject(document: unknown, bytesMax: number): string {
  // A collection or a promise with members of its own would be stored as those alone.
  if (document instanceof Map || document instanceof Set || isThenable(document)) {
    throw new ContractError(
      'INVALID_DOCUMENT',
      'the document is a Map, a Set or a promise, which JSON does not know',
    );
  }
  let text: string | undefined;
  try {
    text = JSON.stringify(document);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    // What recurses too deep for JSON.stringify is beyond PostgreSQL as well.
    const code = cause instanceof RangeError ? 'UNSTORABLE' : 'INVALID_DOCUMENT';
    throw new ContractError(code, `the document cannot be written as JSON: ${reason}`, { cause });
  }
  if (text === undefined || !text.startsWith('{')) {
    throw new ContractError('INVALID_DOCUMENT', 'the document is not an object');
  }
  if (text === '{}') refuseHidden(document as object);
  refuseAbove(Buffer.byteLength(text), bytesMax);
  // What JSON.stringify writes is JSON on one line. U+0000 and lone surrogates it writes as \u escapes, and each level
  // of nesting takes two characters, so most documents need no closer look.
  if (text.includes('\\u') || text.length > 2 * DOCUMENT_DEPTH_MAX) refuseFaulty(Buffer.from(text));
  return text;
}

/**
 * What JSON writes as `{}` although it is no plain object keeps its state where JSON does not look: a WeakMap, a private
 * field, a Map of another realm. To store it would lose that state without a word; `toJSON` says that there is none.
 */
function refuseHidden(document: object): void {
  const prototype: unknown = Object.getPrototypeOf(document);
  if (typeof prototype !== 'object' || prototype === null) return;
  // Every realm has its own Object.prototype; they alone have no prototype.
  if (Object.getPrototypeOf(prototype) === null || 'toJSON' in document) return;
  throw new ContractError(
    'INVALID_DOCUMENT',
    'the document has nothing that JSON could write, and is not a plain object',
  );
}

function isThenable(document: unknown): boolean {
  return (
    typeof document === 'object' &&
    document !== null &&
    'then' in document &&
    typeof document.then === 'function'
  );
}

function refuseAbove(bytes: number, bytesMax: number): void {
  if (bytes <= bytesMax) return;
  throw new ContractError('TOO_LARGE', `the document has ${bytes} bytes, more than ${bytesMax}`);
}

function refuseFaulty(bytes: Uint8Array): void {
  const fault = documentFault(bytes, 0, bytes.length);
  if (fault !== undefined) throw new ContractError(fault.code, fault.message);
}

/** In valid JSON a newline can only stand between tokens, where a space means the same. */
function onOneLine(text: string): string {
  return text.includes('\n') ? text.replaceAll('\n', ' ') : text;
}

/** Workers refuse a document that is a whole action line: the publisher of it forgot the document before. */
const ACTION_START = /^[ \t\r]*\{[ \t\r]*"(?:(?:save|delete|load|list)"|[a-z]*\\)/;

function beginsLikeAction(text: string): boolean {
  return ACTION_START.test(text);
}

function isAction(text: string): boolean {
  try {
    return readActionLine(text).valid;
  } catch (error) {
    if (error instanceof ContractError) return false;
    throw error;
  }
}
