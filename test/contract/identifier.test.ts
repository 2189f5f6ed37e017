import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { identifierFault } from '../../src/contract/identifier.ts';

describe('an identifier', () => {
  test.each([
    ['one character', 'a'],
    ['255 characters', 'a'.repeat(255)],
    ['255 emoji, which are 510 UTF-16 units', '😀'.repeat(255)],
    ['254 emoji and a letter', `${'😀'.repeat(254)}a`],
    ['spaces and control characters other than U+0000', ' \t\n\u0001\u007f'],
    ['the last code point', '\u{10ffff}'],
    ['a noncharacter and a byte order mark', '\uffff\ufeff'],
    ['the name of an inherited property', '__proto__'],
  ])('may be %s', (_, value) => {
    expect(identifierFault(value)).toBeUndefined();
  });

  test.each([
    ['empty', ''],
    ['of 256 characters', 'a'.repeat(256)],
    ['of 256 emoji', '😀'.repeat(256)],
    ['of 255 emoji and a letter, which is 511 UTF-16 units', `${'😀'.repeat(255)}a`],
    ['of a mebibyte', 'a'.repeat(1_048_576)],
    ['with U+0000 at the start', '\0a'],
    ['with U+0000 at the end', 'a\0'],
    ['with a lone high surrogate', 'a\ud83d'],
    ['with a lone low surrogate', '\ude00a'],
    ['with a surrogate pair in the wrong order', '\ude00\ud83d'],
  ])('must not be %s', (_, value) => {
    expect(identifierFault(value)).toEqual(expect.any(String));
  });

  test('is refused exactly when it is empty, too long in code points, ill-formed or has U+0000', () => {
    const units = fc.oneof(
      { weight: 20, arbitrary: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 }) },
      { weight: 1, arbitrary: fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit)) },
      { weight: 1, arbitrary: fc.constantFrom('\0', '\ud83d', '\ude00') },
    );
    const values = fc.oneof(
      fc.array(units, { maxLength: 12 }),
      fc.array(units, { minLength: 240, maxLength: 270, size: 'max' }),
      fc.array(fc.constantFrom('a', '😀'), { minLength: 253, maxLength: 258, size: 'max' }),
    );
    fc.assert(
      fc.property(values, (parts) => {
        const value = parts.join('');
        const points = Array.from(value, (character) => character.codePointAt(0) ?? 0);
        const fine =
          points.length >= 1 &&
          points.length <= 255 &&
          points.every((point) => point !== 0 && (point < 0xd800 || point > 0xdfff));
        expect(identifierFault(value) === undefined).toBe(fine);
      }),
      { numRuns: 1_000 },
    );
  });
});
