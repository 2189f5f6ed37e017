import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { monotonicClock, VersionClock } from '../../src/contract/version-clock.ts';

/** A clock that stands where the test puts it. */
function clockAt(start: number) {
  const time = { now: start };
  return { time, clock: new VersionClock(() => time.now) };
}

/** One step of a client: time passes (or not), then a version is issued or learnt of. */
interface Step {
  readonly passed: number;
  readonly id: string;
  /** Learnt version relative to the time; `undefined` issues one. */
  readonly learnt: number | undefined;
}

function steps(
  ids: readonly string[],
  length: { minLength?: number; maxLength: number },
): fc.Arbitrary<Step[]> {
  const step = fc.record({
    passed: fc.oneof(fc.constant(0), fc.constant(0), fc.nat(3), fc.nat(100_000)),
    id: fc.constantFrom(...ids),
    learnt: fc.option(
      fc.oneof(fc.integer({ min: -5, max: 5 }), fc.integer({ min: -1_000_000, max: 3_600_000_000 })),
      { nil: undefined, freq: 2 },
    ),
  });
  return fc.array(step, { size: 'max', ...length });
}

/** Plays the steps on a clock and says what each issued. */
function play(all: readonly Step[], only?: string): (number | undefined)[] {
  const { time, clock } = clockAt(1_000_000);
  return all.map(({ passed, id, learnt }) => {
    time.now += passed;
    if (only !== undefined && id !== only) return undefined;
    if (learnt === undefined) return clock.next(id);
    clock.observe(id, time.now + learnt);
    return undefined;
  });
}

/** max(now, last issued + 1, version known + 1), remembered for ever. */
function playModel(all: readonly Step[]): (number | undefined)[] {
  let now = 1_000_000;
  const known = new Map<string, number>();
  return all.map(({ passed, id, learnt }) => {
    now += passed;
    const issued = learnt === undefined ? Math.max(now, (known.get(id) ?? 0) + 1) : undefined;
    known.set(id, Math.max(known.get(id) ?? 0, issued ?? now + (learnt ?? 0)));
    return issued;
  });
}

describe('the versions of one object', () => {
  test('are the time, while the clock moves and nothing else is known', () => {
    const { time, clock } = clockAt(1_763_894_400_000_001);
    expect(clock.next('a')).toBe(1_763_894_400_000_001);
    time.now += 10;
    expect(clock.next('a')).toBe(1_763_894_400_000_011);
  });

  test('increase by one while the clock stands still', () => {
    const { clock } = clockAt(1_000);
    expect([clock.next('a'), clock.next('a'), clock.next('a')]).toStrictEqual([1_000, 1_001, 1_002]);
  });

  test('go on from a version that is ahead of the clock, and return to it when it has caught up', () => {
    const { time, clock } = clockAt(1_000);
    clock.observe('a', 5_000);
    expect(clock.next('a')).toBe(5_001);
    time.now = 5_001;
    expect(clock.next('a')).toBe(5_002);
    time.now = 6_000;
    expect(clock.next('a')).toBe(6_000);
  });

  test('do not run ahead any longer once the object is forgotten', () => {
    const { clock } = clockAt(1_000);
    clock.observe('a', 2 ** 52);
    clock.observe('b', 5_000);
    expect(clock.aheadOf('a')).toBe(2 ** 52);
    clock.forget('a');
    expect([clock.aheadOf('a'), clock.next('a'), clock.next('b')]).toStrictEqual([undefined, 1_000, 5_001]);
  });

  test('do not go back for an older version that is learnt late', () => {
    const { clock } = clockAt(1_000);
    clock.observe('a', 5_000);
    clock.observe('a', 4_000);
    clock.observe('a', 10);
    expect(clock.next('a')).toBe(5_001);
  });

  test('go past a version that equals the time', () => {
    const { clock } = clockAt(1_000);
    clock.observe('a', 1_000);
    expect(clock.next('a')).toBe(1_001);
  });

  test('end with an error, not with a wrong number, at the largest integer', () => {
    const { clock } = clockAt(1_000);
    clock.observe('a', Number.MAX_SAFE_INTEGER - 1);
    expect(clock.next('a')).toBe(Number.MAX_SAFE_INTEGER);
    expect(() => clock.next('a')).toThrow(RangeError);
    expect(() => clock.next('a')).toThrow(RangeError);
    expect(clock.next('b')).toBe(1_000);
  });

  test('increase strictly past all issued and learnt, whatever the order and the clock', () => {
    fc.assert(
      fc.property(steps(['a', 'b', 'c'], { maxLength: 60 }), (all) => {
        expect(play(all)).toStrictEqual(playModel(all));
      }),
      { numRuns: 1_000 },
    );
  });

  test('stay so over thousands of steps, when what is past is forgotten', () => {
    const ids = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
    fc.assert(
      fc.property(steps(ids, { minLength: 9_000, maxLength: 10_000 }), (all) => {
        expect(play(all)).toStrictEqual(playModel(all));
      }),
      { numRuns: 5 },
    );
  });

  test('do not depend on what happens to other objects', () => {
    const ids = ['a', 'b', '__proto__', 'constructor'];
    fc.assert(
      fc.property(steps(ids, { maxLength: 60 }), (all) => {
        const together = play(all);
        for (const id of ids) {
          const own = together.map((version, index) => (all[index]?.id === id ? version : undefined));
          expect(play(all, id)).toStrictEqual(own);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('the memory of a version clock', () => {
  test('holds the writes of the last instant, not every object ever written', () => {
    const { time, clock } = clockAt(1_000);
    let largest = 0;
    for (let object = 0; object < 200_000; object += 1) {
      time.now += 1;
      clock.next(`object-${object}`);
      largest = Math.max(largest, clock.size);
    }
    expect(largest).toBeLessThan(10_000);
  });

  test('does not grow by versions that are in the past', () => {
    const { clock } = clockAt(1_000_000);
    for (let object = 0; object < 20_000; object += 1) clock.observe(`object-${object}`, object);
    expect(clock.size).toBe(0);
  });

  test('keeps the objects that are ahead, however many others come and go', () => {
    const { time, clock } = clockAt(1_000);
    clock.observe('wild', 9_000_000_000);
    for (let object = 0; object < 50_000; object += 1) {
      time.now += 1;
      clock.next(`object-${object}`);
    }
    expect(clock.next('wild')).toBe(9_000_000_001);
  });

  test('keeps what was issued in this very instant', () => {
    const { clock } = clockAt(1_000);
    clock.next('hot');
    for (let object = 0; object < 20_000; object += 1) clock.next(`object-${object}`);
    expect(clock.next('hot')).toBe(1_001);
  });

  test('is bounded even if the clock stands still and a million objects are written', {
    timeout: 60_000,
  }, () => {
    const { clock } = clockAt(1_000);
    for (let object = 0; object < 1_020_000; object += 1) clock.next(`${object}`);
    expect(clock.size).toBeLessThan(1_010_000);
    expect(clock.next('1019999')).toBe(1_001);
  });
});

describe('the time in microseconds', () => {
  test('is a whole number that reads as a time and never steps back', () => {
    const nowUs = monotonicClock();
    let last = 0;
    for (let reading = 0; reading < 10_000; reading += 1) {
      const now = nowUs();
      expect(Number.isSafeInteger(now) && now > last).toBe(true);
      last = now;
    }
    expect(new Date(last / 1_000).getUTCFullYear()).toBeGreaterThanOrEqual(2024);
  });

  test('follows a clock that was wrong at the start, and counts on while it is set back', () => {
    let wallMs = 1_000_000;
    const nowUs = monotonicClock(() => wallMs);
    expect(Math.floor(nowUs() / 1_000)).toBe(1_000_000);
    wallMs = 1_700_000_000_000;
    const right = nowUs();
    expect(Math.floor(right / 1_000)).toBe(1_700_000_000_000);
    wallMs -= 3_600_000;
    expect([nowUs(), nowUs()]).toStrictEqual([right + 1, right + 2]);
    wallMs += 3_600_001;
    expect(Math.floor(nowUs() / 1_000)).toBe(1_700_000_000_001);
  });
});
