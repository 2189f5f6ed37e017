import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { clipText, LETTER_HEADERS, LETTER_TEXT_CHARACTERS_MAX } from '../../src/contract/letter.ts';

describe('the headers of a dead letter', () => {
  test('have the names that the contract fixes', () => {
    expect(Object.values(LETTER_HEADERS).toSorted()).toStrictEqual([
      'holdfast-attempts',
      'holdfast-code',
      'holdfast-constraint',
      'holdfast-failed-at',
      'holdfast-issues',
      'holdfast-letter-id',
      'holdfast-message',
      'holdfast-message-id',
      'holdfast-node',
      'holdfast-object-id',
      'holdfast-object-type',
      'holdfast-partition',
      'holdfast-published-at',
      'holdfast-sqlstate',
      'holdfast-version',
      'holdfast-worker',
      'traceparent',
    ]);
  });

  test('fit a header table of 64 KiB with three free texts and two identifiers at their longest', () => {
    // 5 bytes of length and type before each value; the other twelve are AMQP short strings or less.
    const names = Object.values(LETTER_HEADERS);
    const overhead = names.reduce((sum, name) => sum + 1 + Buffer.byteLength(name) + 5, 0);
    const text = Buffer.byteLength(clipText('€'.repeat(10_000)));
    const identifier = Buffer.byteLength('😀'.repeat(255));
    expect(overhead + 3 * text + 2 * identifier + 12 * 255).toBeLessThan(65_536);
  });
});

describe('a text in a header', () => {
  test('stays as it is up to the limit, and is cut with an ellipsis beyond it', () => {
    const longest = 'a'.repeat(LETTER_TEXT_CHARACTERS_MAX);
    expect(clipText('')).toBe('');
    expect(clipText(longest)).toBe(longest);
    expect(clipText(`${longest}a`)).toBe(`${longest.slice(1)}…`);
  });

  test('has its lone surrogates replaced, cut or not', () => {
    expect(clipText('a\ud83db')).toBe('a\ufffdb');
    expect(clipText(`\ude00${'a'.repeat(5_000)}`)).toBe(
      `\ufffd${'a'.repeat(LETTER_TEXT_CHARACTERS_MAX - 2)}…`,
    );
  });

  test('is always well-formed, never too long, and begins as the whole text does', () => {
    const texts = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 50 }),
      fc
        .tuple(fc.integer({ min: 2_030, max: 2_060 }), fc.constantFrom('', 'a', '€', '😀', '\ud83d'))
        .map(([length, end]) => `${'x'.repeat(length)}${end.repeat(20)}`),
    );
    fc.assert(
      fc.property(texts, (text) => {
        const clipped = clipText(text);
        expect(clipped.isWellFormed()).toBe(true);
        expect(clipped.length).toBeLessThanOrEqual(LETTER_TEXT_CHARACTERS_MAX);
        if (text.length <= LETTER_TEXT_CHARACTERS_MAX) expect(clipped).toBe(storable(text));
        else {
          expect(clipped.at(-1)).toBe('…');
          expect(storable(text).startsWith(clipped.slice(0, -1))).toBe(true);
          expect(clipped.length).toBeGreaterThanOrEqual(LETTER_TEXT_CHARACTERS_MAX - 1);
        }
      }),
      { numRuns: 500 },
    );
  });
});

/** As jsonb can hold it. */
function storable(text: string): string {
  return text.replaceAll('\0', '\uFFFD').toWellFormed();
}
