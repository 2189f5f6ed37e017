import { expect, it } from 'vitest';
import {
  bytesText,
  durationText,
  plural,
  rateText,
  versionAge,
  versionTime,
} from '../../src/cli/number-text.ts';

it('says durations', () => {
  const texts = [12, 400, 3_200, 48_000, 185_000, 7_440_000, 273_600_000, 7_200_000_000_000].map(
    durationText,
  );
  expect(texts).toEqual([
    '12 ms',
    '0.4 s',
    '3.2 s',
    '48 s',
    '3 min 5 s',
    '2 h 4 min',
    '3 d 4 h',
    '228 years',
  ]);
});

it('says rates', () => {
  expect(rateText(147_043, 3_200)).toBe('46,000/s');
  expect(rateText(500, 1_000)).toBe('500/s');
  expect(rateText(5, 2_000)).toBe('2.5/s');
});

it('says sizes and counts', () => {
  expect([bytesText(517), bytesText(16_700), bytesText(2 ** 30)]).toEqual(['517 B', '16.3 KiB', '1.0 GiB']);
  expect([plural(1, 'object'), plural(147_043, 'object')]).toEqual(['1 object', '147,043 objects']);
});

it('reads versions as times only where they can be times', () => {
  expect(versionTime(1_763_894_400_000_001)).toBe('2025-11-23T10:40:00.000Z');
  expect(versionTime(5)).toBeUndefined();
  expect(versionAge(1_763_894_400_000_001, 1_763_894_400_000 + 61_000)).toBe('1 min 1 s ago');
  expect(versionAge(1_763_894_400_000_000, 1_763_894_400_000 - 61_000)).toBe('1 min 1 s ahead of the clock');
});
