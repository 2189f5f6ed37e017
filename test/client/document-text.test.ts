import { runInNewContext } from 'node:vm';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { saveLine } from '../../src/client/action-line.ts';
import { documentText } from '../../src/client/document-text.ts';
import { ContractError } from '../../src/contract/errors.ts';
import { decodeFrame } from '../../src/contract/frame.ts';
import { COMMANDS_TYPE } from '../../src/contract/names.ts';
import { documents } from '../contract/arbitraries.ts';
import { contractError } from '../contract/contract-error.ts';

const BYTES_MAX = 1_000_000;
const LINE = saveLine({
  id: 'a',
  type: 'T',
  version: 1,
  epoch: 0,
  ifVersion: undefined,
  nextRcseq: undefined,
});

/** Whether a worker takes the document; the code of its rejection if not. */
function judgement(text: string): string {
  const [entry] = decodeFrame(COMMANDS_TYPE, Buffer.from(`${LINE}${text}\n`), { place: 'partition' });
  return entry?.rejected?.error.code ?? 'taken';
}

class Hidden {
  readonly #state = 1;
  get state(): number {
    return this.#state;
  }
}

function outcome(document: unknown): string {
  try {
    return judgement(documentText(document, BYTES_MAX));
  } catch (error) {
    return error instanceof ContractError ? error.code : String(error);
  }
}

describe('a document', () => {
  test('as text or bytes is taken or refused exactly as a worker would', () => {
    fc.assert(
      fc.property(documents(true), (text) => {
        const expected = judgement(text);
        expect(outcome(text)).toBe(expected);
        expect(outcome(Buffer.from(text))).toBe(expected);
        if (expected === 'taken') expect(documentText(text, BYTES_MAX)).toBe(text);
      }),
      { numRuns: 500 },
    );
  });

  test('as an object is taken exactly if a worker would take what JSON.stringify writes', () => {
    const strings = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('\0', '\ud800', '\\ud800', '\u2028', '\\'),
    );
    const values = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 3 },
        strings,
        fc.double(),
        fc.constantFrom(undefined, null, true, 1e308, -0),
        fc.dictionary(strings, tie('value'), { maxKeys: 3 }),
        fc.array(tie('value'), { maxLength: 3 }),
      ),
    })).value;
    fc.assert(
      fc.property(fc.dictionary(strings, values, { maxKeys: 4 }), (object) => {
        expect(outcome(object)).toBe(judgement(JSON.stringify(object)));
      }),
      { numRuns: 500 },
    );
  });

  test.each([
    ['an array', []],
    ['null', null],
    ['a number', 7],
    ['undefined', undefined],
    ['a function', () => ({})],
    ['an object that says it is a text', { toJSON: () => 'text' }],
    ['a Date', new Date(0)],
    ['a Map', new Map([['a', 1]])],
    ['a Set', new Set([1])],
    ['a promise', Promise.resolve({ a: 1 })],
    ['a promise with a member', Object.assign(Promise.resolve(), { a: 1 })],
    ['a Map of another realm', runInNewContext('new Map([["a", 1]])')],
    ['a WeakMap', new WeakMap()],
    ['an object whose state JSON cannot see', new Hidden()],
    ['an object with a BigInt', { n: 1n }],
    ['an empty text', ''],
    ['two objects', '{}{}'],
    ['a newline inside a string', '{"a":"\n"}'],
    ['a byte order mark', '\ufeff{}'],
    ['bytes that are not UTF-8', new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
    ['a whole command', '{"delete":{"id":"a","version":1}}'],
    ['a whole command with escapes', ' {"\\u0073ave":{"id":"a","type":"T","version":1}}'],
    ['a command as an object', { load: { id: 'a' } }],
  ])('that is %s is INVALID_DOCUMENT', (_, document) => {
    expect(() => documentText(document, BYTES_MAX)).toThrow(contractError('INVALID_DOCUMENT'));
  });

  test.each([
    ['a plain one', {}],
    ['one without a prototype', Object.create(null)],
    ['one of another realm', runInNewContext('({})')],
    ['one that says so itself', Object.assign(new Hidden(), { toJSON: () => ({}) })],
  ])('that is empty may be %s', (_, document) => {
    expect(documentText(document, BYTES_MAX)).toBe('{}');
  });

  test('that refers to itself is INVALID_DOCUMENT, and the error says why', () => {
    const circle: { self?: object } = {};
    circle.self = circle;
    expect(() => documentText(circle, BYTES_MAX)).toThrow(/cannot be written as JSON: .*circular/);
  });

  test.each([
    ['a lone surrogate in a text', '{"a":"\ud800"}'],
    ['a lone surrogate as an escape', '{"a":"\\udc00"}'],
    ['a lone surrogate in an object', { a: ['\udbff'] }],
    ['U+0000 in a name', { '\0': 1 }],
    ['a number beyond numeric', '{"a":1e1001}'],
    ['a nesting too deep', `{"a":${'['.repeat(5_001)}${']'.repeat(5_001)}}`],
  ])('with %s is UNSTORABLE', (_, document) => {
    expect(() => documentText(document, BYTES_MAX)).toThrow(contractError('UNSTORABLE'));
  });

  test('an object nested too deep for PostgreSQL is UNSTORABLE', () => {
    let nested: unknown = 0;
    for (let depth = 0; depth < 5_001; depth += 1) nested = [nested];
    expect(() => documentText({ nested }, BYTES_MAX)).toThrow(contractError('UNSTORABLE'));
  });

  test.each([
    ['text', `{"a":"${'é'.repeat(10)}"}`],
    ['bytes', Buffer.from(`{"a":"${'é'.repeat(10)}"}`)],
    ['an object', { a: 'é'.repeat(10) }],
  ])('as %s is measured in bytes', (_, document) => {
    expect(() => documentText(document, 27)).toThrow(contractError('TOO_LARGE'));
    expect(documentText(document, 28)).toHaveLength(18);
  });

  test('on several lines keeps everything but the newlines', () => {
    const text = '{\n "a" : [1,\r\n2 ],\n"b":"\\n"\n}\n';
    expect(documentText(text, BYTES_MAX)).toBe('{  "a" : [1,\r 2 ], "b":"\\n" } ');
    expect(JSON.parse(documentText(text, BYTES_MAX))).toStrictEqual(JSON.parse(text));
  });

  test('of bytes is not looked at again when the caller changes them', () => {
    const bytes = Buffer.from('{"a":1}');
    const text = documentText(bytes, BYTES_MAX);
    bytes.fill(0x20);
    expect(text).toBe('{"a":1}');
  });
});
