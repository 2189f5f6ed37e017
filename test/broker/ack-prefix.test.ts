/** The model: deliveries are settled in any order, and an ack may be asked for at any time. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AckPrefix } from '../../src/broker/ack-prefix.ts';

/** Tags 1 to n in the order in which they are settled, and after which of them an ack is taken. */
const settlings = fc.integer({ min: 1, max: 60 }).chain((count) =>
  fc.tuple(
    fc.shuffledSubarray(
      Array.from({ length: count }, (_, index) => index + 1),
      { minLength: count, maxLength: count },
    ),
    fc.array(fc.boolean(), { minLength: count, maxLength: count }),
  ),
);

describe('the acked prefix', () => {
  it('never crosses a delivery that is not settled, takes all it can, and each tag once', () => {
    fc.assert(
      fc.property(settlings, ([tags, takes]) => {
        const prefix = new AckPrefix();
        const settled = new Set<number>();
        let acked = 0;
        for (const [index, tag] of tags.entries()) {
          prefix.settle(tag);
          settled.add(tag);
          if (takes[index] !== true) continue;
          let expected = acked;
          while (settled.has(expected + 1)) expected += 1;
          expect(prefix.take()).toBe(expected > acked ? expected : undefined);
          acked = expected;
        }
        expect(prefix.take()).toBe(acked < tags.length ? tags.length : undefined);
        expect(prefix.take()).toBeUndefined();
      }),
    );
  });

  it('counts a delivery once that is settled twice', () => {
    fc.assert(
      fc.property(settlings, ([tags]) => {
        const prefix = new AckPrefix();
        for (const tag of tags) {
          prefix.settle(tag);
          prefix.settle(tag);
        }
        expect(prefix.take()).toBe(tags.length);
        for (const tag of tags) prefix.settle(tag);
        expect(prefix.take()).toBeUndefined();
      }),
    );
  });
});
