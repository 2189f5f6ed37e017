/** Lines that would come many times a second. Goal: the first is not late, none floods the log, and none is lost uncounted. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { LogFields } from '../../src/telemetry/logger.ts';
import { RepeatedLine } from '../../src/telemetry/repeated-line.ts';

let written: LogFields[];
let line: RepeatedLine;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
  written = [];
  line = new RepeatedLine((fields) => written.push(fields));
});

afterEach(() => {
  vi.useRealTimers();
});

it('comes at once, and then one in ten seconds with the number of those left out', () => {
  for (const delayMs of [1, 2, 3]) line.log({ delayMs });
  vi.advanceTimersByTime(9_999);
  line.log({ delayMs: 4 });
  expect(written).toEqual([{ delayMs: 1 }]);
  vi.advanceTimersByTime(1);
  line.log({ delayMs: 5 });
  vi.advanceTimersByTime(10_000);
  line.log({ delayMs: 6 });
  expect(written).toEqual([{ delayMs: 1 }, { delayMs: 5, repeats: 3 }, { delayMs: 6 }]);
});

it('comes at once again after what it told of was over', () => {
  line.log({ delayMs: 1 });
  line.log({ delayMs: 2 });
  line.reset();
  line.log({ delayMs: 3 });
  expect(written).toEqual([{ delayMs: 1 }, { delayMs: 3 }]);
});
