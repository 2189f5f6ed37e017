import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { documentFault } from '../../src/contract/document.ts';
import { DOCUMENT_DEPTH_MAX } from '../../src/contract/limits.ts';
import { damaged, documents } from './arbitraries.ts';

function verdict(text: string | Buffer): string {
  const bytes = Buffer.from(text);
  return documentFault(bytes, 0, bytes.length)?.code ?? 'fine';
}

/**
 * Whether PostgreSQL stores valid JSON as jsonb: an independent model that works on decoded tokens. Not on the parsed
 * value, since `JSON.parse` keeps only the last of several members of one name.
 */
function storable(json: string): boolean {
  let depth = 0;
  for (const [token] of json.matchAll(/"(?:[^"\\]|\\.)*"|-?[0-9][-+.0-9Ee]*|[{}[\]]/gsu)) {
    if (token.startsWith('"')) {
      const text = JSON.parse(token) as string;
      if (text.includes('\0') || !text.isWellFormed()) return false;
    } else if (token === '{' || token === '[') {
      depth += 1;
      if (depth > DOCUMENT_DEPTH_MAX) return false;
    } else if (token === '}' || token === ']') {
      depth -= 1;
    } else if (!numericHolds(token)) return false;
  }
  return true;
}

/** Writes the number out without an exponent and counts its digits. Limits: PostgreSQL manual, section 8.1.2. */
function numericHolds(token: string): boolean {
  const parts = /^-?(?<whole>[0-9]+)(?:\.(?<fraction>[0-9]+))?(?:[Ee](?<shift>[-+]?[0-9]+))?$/u.exec(token);
  let { whole = '', fraction = '' } = parts?.groups ?? {};
  const shift = Number(parts?.groups?.['shift'] ?? 0);
  if (Math.abs(shift) > 1_000) return false;
  for (let i = 0; i < shift; i += 1) {
    whole += fraction.charAt(0) || '0';
    fraction = fraction.slice(1);
  }
  for (let i = 0; i > shift; i -= 1) {
    fraction = (whole.at(-1) ?? '0') + fraction;
    whole = whole.slice(0, -1);
  }
  return whole.length <= 131_072 && fraction.length <= 16_383;
}

/** What is due by `JSON.parse` and the model. */
function due(text: string): string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return 'INVALID_DOCUMENT';
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'INVALID_DOCUMENT';
  return storable(text) ? 'fine' : 'UNSTORABLE';
}

describe('a document', () => {
  test.each([
    '{}',
    ' \t\r{ } \r',
    '{"a":[],"b":{},"c":"","d":null,"e":true,"f":false,"g":-0.5e-7}',
    '{"a":1,"a":2}',
    '{"":{"":{"":[[],[{}]]}}}',
    '{"__proto__":{"__proto__":1},"constructor":null}',
    '{"n":9223372036854775807,"m":18446744073709551616}',
    '{"a":"\\u0001\\"\\\\\\/\\b\\f\\n\\r\\t\u2028\u2029\u007f\ufeff"}',
  ])('may be %s', (text) => {
    expect(verdict(text)).toBe('fine');
  });

  test.each([
    '',
    ' ',
    '[]',
    '"a"',
    '1',
    'null',
    'true',
    '\ufeff{}',
    '\u00a0{}',
    '\v{}',
    '{',
    '}',
    '{}}',
    '{}{}',
    '{},',
    '{"a"}',
    '{"a":}',
    '{"a":1,}',
    '{,"a":1}',
    '{"a":1 "b":2}',
    '{"a":1;"b":2}',
    '{"a":[1,]}',
    '{"a":[,1]}',
    '{"a":[1}',
    '{"a":{"b":1]}',
    '{a:1}',
    "{'a':1}",
    '{1:1}',
    '{"a":"b}',
    '{"a":"\\',
    '{"a":"\t"}',
    '{"a":"\\x41"}',
    '{"a":"\\u12"}',
    '{"a":"\\u12G4"}',
    '{"a":"\\U0041"}',
    '{"a":tru}',
    '{"a":True}',
    '{"a":nulll}',
    '{"a":NaN}',
    '{"a":Infinity}',
    '{"a":01}',
    '{"a":-}',
    '{"a":+1}',
    '{"a":-01}',
    '{"a":.5}',
    '{"a":1.}',
    '{"a":1.e5}',
    '{"a":1e}',
    '{"a":1e+}',
    '{"a":0x10}',
    '{"a":1_000}',
    '{"a":--1}',
    '{"a":1} // comment',
  ])('that is not one JSON object is INVALID_DOCUMENT: %j', (text) => {
    expect(due(text)).toBe('INVALID_DOCUMENT');
    expect(verdict(text)).toBe('INVALID_DOCUMENT');
  });

  test.each([
    ['an escaped U+0000 in a value', '{"a":"\\u0000"}'],
    ['an escaped U+0000 in a key', '{"a\\u0000":1}'],
    ['an escaped U+0000 after an escaped backslash', '{"a":"\\\\\\u0000"}'],
    ['an escaped U+0000 in a member that is given again', '{"a":"\\u0000","a":1}'],
    ['a lone high surrogate', '{"a":"\\ud83d"}'],
    ['a lone high surrogate in upper case, in a key', '{"\\uD83D":1}'],
    ['a lone low surrogate', '{"a":"\\ude00"}'],
    ['a high surrogate before a character', '{"a":"\\ud83dx"}'],
    ['a high surrogate before another escape', '{"a":"\\ud83d\\n"}'],
    ['a high surrogate before an escape of no surrogate', '{"a":"\\ud83d\\u0041"}'],
    ['a high surrogate before a pair', '{"a":"\\ud83d\\ud83d\\ude00"}'],
    ['a low surrogate after a pair', '{"a":"\\ud83d\\ude00\\ude00"}'],
    ['a pair in the wrong order', '{"a":"\\ude00\\ud83d"}'],
    ['the halves of a pair in two strings', '{"a":["\\ud83d","\\ude00"]}'],
    ['an escaped high surrogate before the escaped backslash of the low one', '{"a":"\\ud83d\\\\ude00"}'],
    ['an exponent above 1,000', '{"a":1e1001}'],
    ['an exponent below -1,000', '{"a":1E-1001}'],
    ['an exponent above 1,000 of zero', '{"a":0e+1001}'],
    ['an exponent of many digits', `{"a":1e${'9'.repeat(400)}}`],
    ['more digits before the decimal point than numeric has', `{"a":${'1'.repeat(131_073)}}`],
    ['more such digits by its exponent', `{"a":-${'1'.repeat(130_073)}e1000}`],
    ['more digits after the decimal point than numeric has', `{"a":0.${'0'.repeat(16_384)}}`],
    ['more such digits by its exponent', `{"a":0.${'1'.repeat(15_384)}e-1000}`],
  ])('with %s is UNSTORABLE', (_, text) => {
    expect(due(text)).toBe('UNSTORABLE');
    expect(verdict(text)).toBe('UNSTORABLE');
  });

  test.each([
    ['a surrogate pair in lower case', '{"\\ud83d\\ude00":"\\ud83d\\ude00"}'],
    ['a surrogate pair in mixed case', '{"a":"\\uD83d\\udE00\\uDBFF\\uDFFF\\ud800\\udc00"}'],
    ['the code points beside the surrogates', '{"a":"\\ud7ff\\ue000\\uffff"}'],
    ['an escaped backslash before u0000', '{"a":"\\\\u0000","\\\\u0000":1}'],
    ['an escaped backslash before ud800', '{"a":"\\\\ud800"}'],
    ['an escaped backslash by its number before u0000', '{"a":"\\u005cu0000"}'],
    ['exponents of 1,000 either way', '{"a":[1e1000,1E-1000,1e+1000,0e1000,1e00000000000001000]}'],
    ['all the digits that numeric has before the decimal point', `{"a":${'1'.repeat(131_072)}}`],
    ['as many by its exponent', `{"a":${'1'.repeat(130_072)}e1000}`],
    ['all the digits that numeric has after the decimal point', `{"a":-0.${'1'.repeat(16_383)}}`],
    ['as many by its exponent', `{"a":0.${'1'.repeat(15_383)}e-1000}`],
    ['a long fraction that its exponent shortens', `{"a":0.${'1'.repeat(17_383)}e1000}`],
    ['a digit string that is long but no number', `{"a":"${'1'.repeat(200_000)}e9999"}`],
  ])('with %s is fine', (_, text) => {
    expect(due(text)).toBe('fine');
    expect(verdict(text)).toBe('fine');
  });

  test.each([
    ['arrays', () => '['],
    ['objects', () => '{"a":'],
    ['both', (level: number) => (level % 2 === 0 ? '{"a":' : '[')],
  ])('may be nested 5,000 levels deep in %s and no deeper', (_, container) => {
    const nested = (levels: number): string => {
      const open = Array.from({ length: levels }, (__, level) => (level === 0 ? '{"a":' : container(level)));
      const close = open.map((opening) => (opening === '[' ? ']' : '}')).toReversed();
      return `${open.join('')}1${close.join('')}`;
    };
    expect(verdict(nested(5_000))).toBe('fine');
    expect(verdict(nested(5_001))).toBe('UNSTORABLE');
    expect(verdict(nested(100_000))).toBe('UNSTORABLE');
  });

  test('may hold any number of containers side by side', () => {
    expect(verdict(`{"a":[${Array(20_000).fill('{},[[]]').join(',')}]}`)).toBe('fine');
  });

  test('that is broken is INVALID_DOCUMENT, whatever unstorable stands before the break', () => {
    expect(verdict('{"a":"\\u0000","b":1e5000,"c":"\\ud83d",}')).toBe('INVALID_DOCUMENT');
  });
});

describe('the judgement of a document', () => {
  test('agrees with JSON.parse and a model of jsonb on JSON objects', () => {
    fc.assert(
      fc.property(documents(true), (text) => {
        expect(verdict(text)).toBe(due(text));
      }),
      { numRuns: 2_000 },
    );
  });

  test('is never a refusal of a storable object', () => {
    fc.assert(
      fc.property(documents(), (text) => {
        expect(verdict(text)).toBe('fine');
      }),
      { numRuns: 1_000 },
    );
  });

  test('agrees with JSON.parse on any JSON value and any text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string({ unit: 'binary' }), fc.string()), (text) => {
        expect(verdict(text)).toBe(due(text));
      }),
      { numRuns: 1_000 },
    );
  });

  test('agrees with both on damaged objects', () => {
    const texts = damaged(documents(true).map((text) => Buffer.from(text)))
      // The frame as a whole was checked to be UTF-8.
      .map((bytes) => bytes.toString('utf8'));
    fc.assert(
      fc.property(texts, (text) => {
        expect(verdict(text)).toBe(due(text));
      }),
      { numRuns: 5_000 },
    );
  });

  test('agrees with both on anything made of the tokens of JSON', () => {
    const tokens = [
      ...'{}[]:,"\\-.0123eEu \r'.split(''),
      '\\u',
      'd83d',
      'DE00',
      '0000',
      'true',
      'null',
      '"a"',
      '"a":',
      '{"a":',
    ];
    const texts = fc.array(fc.constantFrom(...tokens), { maxLength: 12 }).map((parts) => parts.join(''));
    const inside = texts.chain((text) => fc.constantFrom(`{"a":${text}}`, `{"a":"${text}"}`, `{${text}}`));
    fc.assert(
      fc.property(inside, (text) => {
        expect(verdict(text)).toBe(due(text));
      }),
      { numRuns: 5_000 },
    );
  });

  test('does not depend on the bytes around the document', () => {
    const around = fc.constantFrom(
      '',
      '}',
      ']',
      '"',
      '{"a":',
      '[',
      '1',
      'e}',
      '0000"}',
      ' ',
      '\\ude00"}',
      '\n{}',
    );
    const texts = damaged(documents(true).map((text) => Buffer.from(text))).map((bytes) =>
      bytes.toString('utf8'),
    );
    fc.assert(
      fc.property(around, texts, around, (before, text, after) => {
        const start = Buffer.byteLength(before);
        const end = start + Buffer.byteLength(text);
        const fault = documentFault(Buffer.from(before + text + after), start, end);
        expect(fault?.code ?? 'fine').toBe(due(text));
      }),
      { numRuns: 2_000 },
    );
  });
});
