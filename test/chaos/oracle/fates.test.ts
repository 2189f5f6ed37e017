/**
 * The oracle on fates: histories in which a confirmed write vanished, or an innocent one was refused, and beside each
 * one that is almost the same and right.
 */
import { describe, expect, it } from 'vitest';
import { audit, kinds, letter, load, row, write } from './histories.ts';

const claim = (epoch: number, invokedAt: number) =>
  load({ action: 'claim', version: 0, found: false, epoch, claimId: epoch, invokedAt });

/** An event that tells process 0 of a refusal. */
const told = (at: number) => ({ process: 0, outcome: 'fenced' as const, storedEpoch: 2, at });

describe('lost', () => {
  it('misses a confirmed write that is nowhere', () => {
    expect(kinds({ writes: [write({ version: 1 })] })).toEqual(['lost']);
    expect(kinds({ writes: [write({ version: 1, action: 'delete' })] })).toEqual(['lost']);
  });

  it('accepts one that is stored, overtaken or of unknown fate', () => {
    expect(kinds({ writes: [write({ version: 1 })], audit: audit({ version: 1 }), row: row(1) })).toEqual([]);
    const writes = [write({ version: 1 }), write({ version: 2 })];
    expect(kinds({ writes, audit: audit({ version: 2 }), row: row(2) })).toEqual([]);
    expect(kinds({ writes: [write({ version: 1, outcome: 'unknown' })] })).toEqual([]);
    expect(kinds({ writes: [write({ version: 1, outcome: 'unsent' })] })).toEqual([]);
  });

  it('misses an older good write that was dropped for a newer one which was rejected', () => {
    const writes = [write({ version: 1 }), write({ version: 2, poison: 'refused', outcome: 'rejected' })];
    expect(kinds({ writes, letters: [letter({ version: 2 })] })).toEqual(['lost']);
    const stored = { audit: audit({ version: 1 }), row: row(1) };
    expect(kinds({ writes, letters: [letter({ version: 2 })], ...stored })).toEqual([]);
  });

  it('misses an older good write that was dropped for a newer one which was fenced', () => {
    const writes = [write({ version: 1, epoch: 2 }), write({ version: 2, epoch: 1, outcome: 'fenced' })];
    const loads = [claim(2, 0)];
    expect(kinds({ writes, loads })).toEqual(['lost']);
    const stored = { audit: audit({ version: 1, epoch: 2 }), row: row(1, 2) };
    expect(kinds({ writes, loads, ...stored })).toEqual([]);
  });

  it('misses one that is said to be applied and never was, or superseded by nothing', () => {
    expect(kinds({ writes: [write({ version: 1, outcome: 'applied' })] })).toEqual(['lost']);
    expect(kinds({ writes: [write({ version: 1, outcome: 'superseded' })] })).toEqual(['lost']);
  });

  it('accepts a refusal only if somebody was told', () => {
    const writes = [write({ version: 1, epoch: 1 })];
    const loads = [claim(2, 0)];
    expect(kinds({ writes, loads })).toEqual(['lost']);
    expect(
      kinds({ writes, loads, failures: [{ process: 0, outcome: 'fenced', storedEpoch: 2, at: 5_000 }] }),
    ).toEqual([]);
    expect(
      kinds({ writes, loads, failures: [{ process: 3, outcome: 'fenced', storedEpoch: 2, at: 5_000 }] }),
    ).toEqual(['lost']);
    expect(kinds({ writes, loads, letters: [letter({ version: 1, code: 'FENCED' })] })).toEqual([]);
    expect(kinds({ writes, loads, repliesLost: new Map([[0, [1_000]]]) })).toEqual(['unheard']);
    const [invokedAt = 0] = writes.map((one) => one.invokedAt);
    for (const at of [invokedAt - 1, invokedAt + 60_000_000]) {
      expect(kinds({ writes, loads, repliesLost: new Map([[0, [at]]]) })).toEqual(['lost']);
    }
  });

  it('gives what was told to those that nothing excuses, and only to what was sent before', () => {
    const early = write({ version: 1, epoch: 1 });
    const late = { ...write({ version: 2, epoch: 1 }), invokedAt: early.invokedAt + 20_000_000 };
    const writes = [early, late];
    const loads = [claim(2, 0)];
    // The queue that died excuses the later of them only.
    const repliesLost = new Map([[0, [early.invokedAt + 40_000_000]]]);
    const after = late.invokedAt + 1;
    expect(kinds({ writes, loads, repliesLost, failures: [told(after)] })).toEqual(['unheard']);
    expect(kinds({ writes, loads, repliesLost, failures: [told(after), told(after)] })).toEqual([]);
    expect(kinds({ writes, loads, failures: [told(early.invokedAt), told(early.invokedAt)] })).toEqual([
      'lost',
    ]);
  });

  it('misses the letter of poison, unless a newer write overtook what only the database refuses', () => {
    expect(kinds({ writes: [write({ version: 1, poison: 'always' })] })).toEqual(['lost']);
    expect(kinds({ writes: [write({ version: 1, poison: 'always', outcome: 'rejected' })] })).toEqual([
      'lost',
    ]);
    expect(
      kinds({ writes: [write({ version: 1, poison: 'always' })], letters: [letter({ version: 1 })] }),
    ).toEqual([]);
    const overtaken = [write({ version: 1, poison: 'refused' }), write({ version: 2 })];
    expect(kinds({ writes: overtaken, audit: audit({ version: 2 }), row: row(2) })).toEqual([]);
  });
});

describe('wrongly rejected', () => {
  it('finds an innocent one that was rejected, by reply or by letter', () => {
    expect(kinds({ writes: [write({ version: 1, outcome: 'rejected' })] })).toEqual(['wronglyRejected']);
    expect(kinds({ writes: [write({ version: 1 })], letters: [letter({ version: 1 })] })).toEqual([
      'wronglyRejected',
    ]);
    const limit = [letter({ version: 1, code: 'DELIVERY_LIMIT' })];
    expect(kinds({ writes: [write({ version: 1 })], letters: limit })).toEqual(['wronglyRejected']);
  });

  it('finds a fenced one that nobody could have fenced, and a conflict with nothing', () => {
    expect(kinds({ writes: [write({ version: 1, outcome: 'fenced' })] })).toEqual(['wronglyRejected']);
    expect(kinds({ writes: [write({ version: 1, outcome: 'conflict' })] })).toEqual(['wronglyRejected']);
    expect(kinds({ writes: [write({ version: 1, outcome: 'fenced' })], loads: [claim(1, 0)] })).toEqual([]);
    expect(kinds({ writes: [write({ version: 1, outcome: 'conflict', ifVersion: 7 })] })).toEqual([]);
    const writes = [write({ version: 1 }), write({ version: 1, nonce: 11, outcome: 'conflict' })];
    expect(kinds({ writes, audit: audit({ version: 1 }), row: row(1) })).toEqual([]);
  });
});

describe('double letters', () => {
  it('finds two for one command of one frame, not those of two frames or of one letter delivered twice', () => {
    const writes = [write({ version: 1, poison: 'always' })];
    const twice = [letter({ version: 1, letterId: 'a' }), letter({ version: 1, letterId: 'b' })];
    expect(kinds({ writes, letters: twice })).toEqual(['doubleLetter']);
    expect(kinds({ writes, letters: [letter({ version: 1 }), letter({ version: 1 })] })).toEqual([]);
    const frames = [letter({ version: 1 }), letter({ version: 1, letterId: 'b', messageId: 'other' })];
    expect(kinds({ writes, letters: frames })).toEqual([]);
  });

  it('finds a letter whose bytes are not those that were sent', () => {
    const writes = [write({ version: 1, poison: 'always', bytesHash: 5 })];
    expect(kinds({ writes, letters: [letter({ version: 1, bytesHash: 6 })] })).toEqual(['provenance']);
    expect(kinds({ writes, letters: [letter({ version: 1, bytesHash: 5 })] })).toEqual([]);
  });
});

describe('accounting', () => {
  it('finds poison that was stored', () => {
    const stored = { audit: audit({ version: 1 }), row: row(1) };
    const letters = [letter({ version: 1 })];
    expect(kinds({ writes: [write({ version: 1, poison: 'always' })], letters, ...stored })).toEqual([
      'accounting',
    ]);
  });

  it('finds a write that was stored and rejected as well', () => {
    const stored = { audit: audit({ version: 1 }), row: row(1) };
    expect(kinds({ writes: [write({ version: 1, outcome: 'rejected' })], ...stored })).toEqual([
      'accounting',
      'wronglyRejected',
    ]);
  });
});
