/**
 * Checks the bytes of one document in one pass, without building anything from them: that they are one JSON object,
 * and that PostgreSQL will store them as jsonb.
 *
 * `JSON.parse` would answer the first question at about twice the cost, and not the second: it accepts U+0000, lone
 * surrogates and any number. A property test holds this scanner against `JSON.parse`.
 */
import { ContractError } from './errors.ts';
import {
  DOCUMENT_DEPTH_MAX,
  NUMBER_EXPONENT_MAX,
  NUMBER_FRACTION_DIGITS_MAX,
  NUMBER_INTEGER_DIGITS_MAX,
} from './limits.ts';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const MINUS = 0x2d;
const PLUS = 0x2b;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const LOWER_E = 0x65;
const UPPER_E = 0x45;
const LOWER_U = 0x75;

/** What an escape after a backslash may be, `u` apart: `" \ / b f n r t`. */
const SIMPLE_ESCAPES = new Uint8Array(256);
for (const character of '"\\/bfnrt') SIMPLE_ESCAPES[character.charCodeAt(0)] = 1;

/** What is wrong with a document. */
export interface DocumentFault {
  readonly code: 'INVALID_DOCUMENT' | 'UNSTORABLE';
  readonly message: string;
}

/**
 * Says what is wrong with the document in `bytes[start, end)`, or `undefined` if nothing is.
 *
 * The bytes must be valid UTF-8 (the frame was checked as a whole). Broken JSON is reported before anything
 * unstorable in it, except that nesting too deep ends the scan.
 */
export function documentFault(bytes: Uint8Array, start: number, end: number): DocumentFault | undefined {
  const scanner = new DocumentScanner(bytes, start, end);
  try {
    scanner.scan();
  } catch (error) {
    if (error instanceof ContractError) return { code: 'INVALID_DOCUMENT', message: error.message };
    throw error;
  }
  return scanner.unstorable === undefined ? undefined : { code: 'UNSTORABLE', message: scanner.unstorable };
}

/** One bit per open container: 1 object, 0 array. Shared, since a scan never yields to another. */
const containers = new Uint8Array(DOCUMENT_DEPTH_MAX + 1);

/**
 * Each method is given where it begins and returns where it ends. Kept in a field instead, the place costs half as much again
 * (measured with the 500-byte documents of the benchmarks, Node 20).
 */
class DocumentScanner {
  /** The first thing PostgreSQL would refuse in otherwise valid JSON. */
  unstorable: string | undefined;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #start: number;
  readonly #end: number;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    this.#view = viewOf(bytes);
    this.#start = start;
    this.#end = end;
  }

  scan(): void {
    const bytes = this.#bytes;
    const end = this.#end;
    let at = this.#skipWhitespace(this.#start);
    if (at >= end) throw this.#invalid(at, 'the document is empty');
    if (bytes[at] !== OPEN_BRACE) throw this.#invalid(at, 'the document is not a JSON object');
    let depth = 0;
    for (;;) {
      // A value begins here. Containers push and go on with their first member; scalars are consumed whole.
      const byte = at < end ? (bytes[at] as number) : -1;
      if (byte === QUOTE) {
        at = this.#string(at);
      } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
        depth += 1;
        if (depth > DOCUMENT_DEPTH_MAX) {
          this.unstorable = `the document is nested deeper than ${DOCUMENT_DEPTH_MAX} levels`;
          return;
        }
        const isObject = byte === OPEN_BRACE;
        containers[depth] = isObject ? 1 : 0;
        at = this.#skipWhitespace(at + 1);
        if (at >= end || bytes[at] !== (isObject ? CLOSE_BRACE : CLOSE_BRACKET)) {
          if (isObject) at = this.#key(at);
          continue;
        }
      } else {
        at = this.#scalar(at, byte);
      }
      // A value has ended: close what ends here, and step over one comma.
      for (;;) {
        at = this.#skipWhitespace(at);
        const next = at < end ? bytes[at] : -1;
        const isObject = containers[depth] === 1;
        if (next === COMMA) {
          at = this.#skipWhitespace(at + 1);
          if (isObject) at = this.#key(at);
          break;
        }
        if (next !== (isObject ? CLOSE_BRACE : CLOSE_BRACKET)) {
          throw this.#invalid(at, isObject ? "expected ',' or '}'" : "expected ',' or ']'");
        }
        at += 1;
        depth -= 1;
        if (depth > 0) continue;
        at = this.#skipWhitespace(at);
        if (at < end) throw this.#invalid(at, 'something follows the object');
        return;
      }
    }
  }

  /** A key, its colon, and the white space behind it. */
  #key(from: number): number {
    const bytes = this.#bytes;
    if (from >= this.#end || bytes[from] !== QUOTE) {
      throw this.#invalid(from, 'expected a key in double quotes');
    }
    const at = this.#skipWhitespace(this.#string(from));
    if (at >= this.#end || bytes[at] !== COLON) throw this.#invalid(at, "expected ':'");
    return this.#skipWhitespace(at + 1);
  }

  #scalar(at: number, byte: number): number {
    if (at >= this.#end) throw this.#invalid(at, 'the document ends too early');
    if (byte === 0x74) return this.#literal(at, 'true');
    if (byte === 0x66) return this.#literal(at, 'false');
    if (byte === 0x6e) return this.#literal(at, 'null');
    return this.#number(at);
  }

  #literal(at: number, word: string): number {
    for (let i = 0; i < word.length; i += 1) {
      if (at + i >= this.#end || this.#bytes[at + i] !== word.charCodeAt(i)) {
        throw this.#invalid(at, 'expected a value');
      }
    }
    return at + word.length;
  }

  #string(from: number): number {
    const bytes = this.#bytes;
    const view = this.#view;
    const end = this.#end;
    let at = from + 1;
    for (;;) {
      while (at + 4 <= end && !hasSpecial(view.getInt32(at, true))) at += 4;
      // Now it is near, or the end is.
      while (at < end && isPlain(bytes[at] as number)) at += 1;
      if (at >= end) throw this.#invalid(end, 'a string is not closed');
      const byte = bytes[at];
      if (byte === QUOTE) return at + 1;
      if (byte !== BACKSLASH) throw this.#invalid(at, 'a string has an unescaped control character');
      at = this.#escape(at);
    }
  }

  /** Stands on a backslash, steps over the whole escape, a surrogate pair as one. */
  #escape(at: number): number {
    const bytes = this.#bytes;
    const kind = at + 1 < this.#end ? (bytes[at + 1] as number) : -1;
    if (kind !== LOWER_U) {
      if (kind < 0 || SIMPLE_ESCAPES[kind] !== 1) throw this.#invalid(at, 'a string has an unknown escape');
      return at + 2;
    }
    const unit = this.#hex4(at, at + 2);
    const next = at + 6;
    if (unit === 0) {
      this.#refuse('the document has a U+0000');
    } else if (unit >= 0xdc00 && unit <= 0xdfff) {
      this.#refuse('the document has a lone surrogate');
    } else if (unit >= 0xd800 && unit <= 0xdbff) {
      if (next + 1 < this.#end && bytes[next] === BACKSLASH && bytes[next + 1] === LOWER_U) {
        const low = this.#hex4(next, next + 2);
        if (low >= 0xdc00 && low <= 0xdfff) return next + 6;
      }
      this.#refuse('the document has a lone surrogate');
    }
    return next;
  }

  /** @param escapeAt where the escape begins, for what is wrong with it. */
  #hex4(escapeAt: number, from: number): number {
    let value = 0;
    for (let i = from; i < from + 4; i += 1) {
      const byte = i < this.#end ? (this.#bytes[i] as number) : 0;
      const digit =
        byte >= ZERO && byte <= NINE
          ? byte - ZERO
          : byte >= 0x61 && byte <= 0x66
            ? byte - 0x57
            : byte >= 0x41 && byte <= 0x46
              ? byte - 0x37
              : -1;
      if (digit < 0) throw this.#invalid(escapeAt, 'a string has a broken \\u escape');
      value = value * 16 + digit;
    }
    return value;
  }

  #number(from: number): number {
    const bytes = this.#bytes;
    const end = this.#end;
    let at = from;
    if (bytes[at] === MINUS) at += 1;
    const first = at;
    at = at < end && bytes[at] === ZERO ? at + 1 : this.#digits(at, 'expected a value');
    const integerDigits = at - first;
    let fractionDigits = 0;
    if (at < end && bytes[at] === DOT) {
      const fraction = at + 1;
      at = this.#digits(fraction, 'expected digits after the decimal point');
      fractionDigits = at - fraction;
    }
    let exponent = 0;
    if (at < end && (bytes[at] === LOWER_E || bytes[at] === UPPER_E)) {
      const sign = at + 1 < end ? bytes[at + 1] : undefined;
      const digits = at + (sign === MINUS || sign === PLUS ? 2 : 1);
      at = this.#digits(digits, 'expected digits in the exponent');
      exponent = this.#exponent(digits, at) * (sign === MINUS ? -1 : 1);
    }
    if (exponent > NUMBER_EXPONENT_MAX || exponent < -NUMBER_EXPONENT_MAX) {
      this.#refuse(`a number has an exponent beyond ${NUMBER_EXPONENT_MAX}`);
    } else if (
      integerDigits + exponent > NUMBER_INTEGER_DIGITS_MAX ||
      fractionDigits - exponent > NUMBER_FRACTION_DIGITS_MAX
    ) {
      this.#refuse('a number has more digits than numeric holds');
    }
    return at;
  }

  /** The value of these digits, as far as it matters. */
  #exponent(from: number, to: number): number {
    let value = 0;
    for (let i = from; i < to && value <= NUMBER_EXPONENT_MAX; i += 1) {
      value = value * 10 + ((this.#bytes[i] as number) - ZERO);
    }
    return value;
  }

  #digits(from: number, otherwise: string): number {
    let at = from;
    while (at < this.#end) {
      const byte = this.#bytes[at] as number;
      if (byte < ZERO || byte > NINE) break;
      at += 1;
    }
    if (at === from) throw this.#invalid(at, otherwise);
    return at;
  }

  #skipWhitespace(from: number): number {
    let at = from;
    while (at < this.#end) {
      const byte = this.#bytes[at] as number;
      if (byte > 0x20 || (byte !== 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d)) break;
      at += 1;
    }
    return at;
  }

  #refuse(message: string): void {
    this.unstorable ??= message;
  }

  #invalid(at: number, message: string): ContractError {
    return new ContractError('INVALID_DOCUMENT', `${message} at byte ${at - this.#start}`);
  }
}

/** Most documents of a frame are scanned one after the other. The last frame is kept in memory by this until the next. */
let viewed: Uint8Array | undefined;
let view: DataView = new DataView(new ArrayBuffer(0));

function viewOf(bytes: Uint8Array): DataView {
  // The caller's buffer may have grown.
  if (bytes !== viewed || view.byteLength !== bytes.byteLength) {
    viewed = bytes;
    view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
  return view;
}

function isPlain(byte: number): boolean {
  return byte !== QUOTE && byte !== BACKSLASH && byte >= 0x20;
}

/**
 * Whether any of four bytes is a quote, a backslash or a control character: a byte is zero, or below n, if subtracting 1, or
 * n, sets its highest bit while that was not set (Sean Eron Anderson, Bit Twiddling Hacks, "hasless"). The borrow may reach
 * the next byte, so it is not known which of them it is.
 */
function hasSpecial(word: number): boolean {
  const quote = word ^ 0x22222222;
  const backslash = word ^ 0x5c5c5c5c;
  return (
    ((((quote - 0x01010101) & ~quote) |
      ((backslash - 0x01010101) & ~backslash) |
      ((word - 0x20202020) & ~word)) &
      0x80808080) !==
    0
  );
}
