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

class DocumentScanner {
  /** The first thing PostgreSQL would refuse in otherwise valid JSON. */
  unstorable: string | undefined;
  readonly #bytes: Uint8Array;
  readonly #start: number;
  readonly #end: number;
  #at: number;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    this.#start = start;
    this.#end = end;
    this.#at = start;
  }

  scan(): void {
    this.#skipWhitespace();
    if (this.#at >= this.#end) throw this.#invalid('the document is empty');
    if (this.#bytes[this.#at] !== OPEN_BRACE) throw this.#invalid('the document is not a JSON object');
    let depth = 0;
    for (;;) {
      // A value begins here. Containers push and go on with their first member; scalars are consumed whole.
      const byte = this.#bytes[this.#at];
      if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
        depth += 1;
        if (depth > DOCUMENT_DEPTH_MAX) {
          this.unstorable = `the document is nested deeper than ${DOCUMENT_DEPTH_MAX} levels`;
          return;
        }
        const isObject = byte === OPEN_BRACE;
        containers[depth] = isObject ? 1 : 0;
        this.#at += 1;
        this.#skipWhitespace();
        if (this.#bytes[this.#at] !== (isObject ? CLOSE_BRACE : CLOSE_BRACKET)) {
          if (isObject) this.#key();
          continue;
        }
      } else {
        this.#scalar(byte);
      }
      depth = this.#afterValue(depth);
      if (depth === 0) return;
    }
  }

  /** Closes what ends here and steps over one comma; returns the depth at which the next value begins, 0 at the end. */
  #afterValue(from: number): number {
    let depth = from;
    for (;;) {
      this.#skipWhitespace();
      const byte = this.#at < this.#end ? this.#bytes[this.#at] : undefined;
      const isObject = containers[depth] === 1;
      this.#at += 1;
      if (byte === COMMA) {
        this.#skipWhitespace();
        if (isObject) this.#key();
        return depth;
      }
      if (byte !== (isObject ? CLOSE_BRACE : CLOSE_BRACKET)) {
        this.#at -= 1;
        throw this.#invalid(isObject ? "expected ',' or '}'" : "expected ',' or ']'");
      }
      depth -= 1;
      if (depth > 0) continue;
      this.#skipWhitespace();
      if (this.#at < this.#end) throw this.#invalid('something follows the object');
      return 0;
    }
  }

  #key(): void {
    if (this.#bytes[this.#at] !== QUOTE) throw this.#invalid('expected a key in double quotes');
    this.#string();
    this.#skipWhitespace();
    if (this.#bytes[this.#at] !== COLON) throw this.#invalid("expected ':'");
    this.#at += 1;
    this.#skipWhitespace();
  }

  #scalar(byte: number | undefined): void {
    if (this.#at >= this.#end) throw this.#invalid('the document ends too early');
    if (byte === QUOTE) this.#string();
    else if (byte === 0x74) this.#literal('true');
    else if (byte === 0x66) this.#literal('false');
    else if (byte === 0x6e) this.#literal('null');
    else this.#number();
  }

  #literal(word: string): void {
    for (let i = 0; i < word.length; i += 1) {
      if (this.#bytes[this.#at + i] !== word.charCodeAt(i)) throw this.#invalid('expected a value');
    }
    this.#at += word.length;
  }

  #string(): void {
    const bytes = this.#bytes;
    const end = this.#end;
    let at = this.#at + 1;
    for (;;) {
      if (at >= end) {
        this.#at = end;
        throw this.#invalid('a string is not closed');
      }
      const byte = bytes[at] as number;
      if (byte === QUOTE) break;
      if (byte === BACKSLASH) {
        this.#at = at;
        this.#escape();
        at = this.#at;
      } else if (byte < 0x20) {
        this.#at = at;
        throw this.#invalid('a string has an unescaped control character');
      } else {
        at += 1;
      }
    }
    this.#at = at + 1;
  }

  /** Stands on a backslash, steps over the whole escape, a surrogate pair as one. */
  #escape(): void {
    const kind = this.#at + 1 < this.#end ? (this.#bytes[this.#at + 1] as number) : -1;
    if (kind !== LOWER_U) {
      if (kind < 0 || SIMPLE_ESCAPES[kind] !== 1) throw this.#invalid('a string has an unknown escape');
      this.#at += 2;
      return;
    }
    const unit = this.#hex4(this.#at + 2);
    this.#at += 6;
    if (unit === 0) {
      this.#refuse('the document has a U+0000');
    } else if (unit >= 0xdc00 && unit <= 0xdfff) {
      this.#refuse('the document has a lone surrogate');
    } else if (unit >= 0xd800 && unit <= 0xdbff) {
      const bytes = this.#bytes;
      if (this.#at + 1 < this.#end && bytes[this.#at] === BACKSLASH && bytes[this.#at + 1] === LOWER_U) {
        const low = this.#hex4(this.#at + 2);
        if (low >= 0xdc00 && low <= 0xdfff) {
          this.#at += 6;
          return;
        }
      }
      this.#refuse('the document has a lone surrogate');
    }
  }

  #hex4(from: number): number {
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
      if (digit < 0) throw this.#invalid('a string has a broken \\u escape');
      value = value * 16 + digit;
    }
    return value;
  }

  #number(): void {
    if (this.#bytes[this.#at] === MINUS) this.#at += 1;
    const first = this.#at;
    if (this.#at < this.#end && this.#bytes[this.#at] === ZERO) this.#at += 1;
    else this.#digits('expected a value');
    const integerDigits = this.#at - first;
    let fractionDigits = 0;
    if (this.#at < this.#end && this.#bytes[this.#at] === DOT) {
      this.#at += 1;
      fractionDigits = this.#digits('expected digits after the decimal point');
    }
    const exponent = this.#exponent();
    if (exponent > NUMBER_EXPONENT_MAX || exponent < -NUMBER_EXPONENT_MAX) {
      this.#refuse(`a number has an exponent beyond ${NUMBER_EXPONENT_MAX}`);
    } else if (
      integerDigits + exponent > NUMBER_INTEGER_DIGITS_MAX ||
      fractionDigits - exponent > NUMBER_FRACTION_DIGITS_MAX
    ) {
      this.#refuse('a number has more digits than numeric holds');
    }
  }

  #exponent(): number {
    const byte = this.#at < this.#end ? this.#bytes[this.#at] : undefined;
    if (byte !== LOWER_E && byte !== UPPER_E) return 0;
    this.#at += 1;
    const sign = this.#at < this.#end ? this.#bytes[this.#at] : undefined;
    if (sign === MINUS || sign === PLUS) this.#at += 1;
    const first = this.#at;
    this.#digits('expected digits in the exponent');
    let value = 0;
    for (let i = first; i < this.#at && value <= NUMBER_EXPONENT_MAX; i += 1) {
      value = value * 10 + ((this.#bytes[i] as number) - ZERO);
    }
    return sign === MINUS ? -value : value;
  }

  #digits(otherwise: string): number {
    const first = this.#at;
    while (this.#at < this.#end) {
      const byte = this.#bytes[this.#at] as number;
      if (byte < ZERO || byte > NINE) break;
      this.#at += 1;
    }
    if (this.#at === first) throw this.#invalid(otherwise);
    return this.#at - first;
  }

  #skipWhitespace(): void {
    while (this.#at < this.#end) {
      const byte = this.#bytes[this.#at] as number;
      if (byte !== 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d) return;
      this.#at += 1;
    }
  }

  #refuse(message: string): void {
    this.unstorable ??= message;
  }

  #invalid(message: string): ContractError {
    return new ContractError('INVALID_DOCUMENT', `${message} at byte ${this.#at - this.#start}`);
  }
}
