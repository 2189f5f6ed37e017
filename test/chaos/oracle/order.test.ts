/** The oracle on order: what was stored after what, and what loads saw. Each spoilt history has its sound neighbour. */
import { describe, expect, it } from 'vitest';
import { audit, history, kinds, letter, load, NOTHING_WRONG, row, write } from './histories.ts';
import { judge, judgeRun } from './judge.ts';

const applied = (version: number, fields = {}) => write({ version, outcome: 'applied', ...fields });

const claim = (epoch: number, invokedAt: number, claimId = epoch) =>
  load({ action: 'claim', version: 0, found: false, epoch, claimId, invokedAt });
const kindsOf = (facts: object) => judgeRun({ ...NOTHING_WRONG, ...facts }).map(({ kind }) => kind);

describe('the audit trail', () => {
  const writes = [write({ version: 1 }), write({ version: 2 })];

  it('finds a newer state overwritten by an older one, in the trail and at the end', () => {
    expect(kinds({ writes, audit: audit({ version: 1 }, { version: 2 }), row: row(2) })).toEqual([]);
    expect(kinds({ writes, audit: audit({ version: 2 }, { version: 1 }), row: row(1) })).toEqual(['stale']);
    expect(kinds({ writes, audit: audit({ version: 1 }, { version: 2 }), row: row(1) })).toEqual(['stale']);
  });

  it('finds a version stored with a second content', () => {
    const disputed = [write({ version: 1 }), write({ version: 1, nonce: 11 })];
    expect(
      kinds({
        writes: disputed,
        audit: audit({ version: 1 }, { version: 1, nonce: 11 }),
        row: { ...row(1), nonce: 11 },
      }),
    ).toEqual(['stale']);
  });

  it('finds a deleted object that came back by an older write', () => {
    const all = [...writes, write({ version: 3, action: 'delete' }), write({ version: 4 })];
    const deleted = [
      { version: 2 },
      { change: 'gone', version: 2 },
      { change: 'tombstone', version: 3 },
    ] as const;
    const tombstone = { version: 3, epoch: 0 };
    expect(kinds({ writes: all.slice(0, 3), audit: audit(...deleted), tombstone })).toEqual([]);
    expect(
      kinds({
        writes: all,
        audit: audit(...deleted, { version: 4 }, { change: 'tombstone-gone', version: 3 }),
        row: row(4),
      }),
    ).toEqual([]);
    expect(kinds({ writes: all.slice(0, 3), audit: audit(...deleted, { version: 1 }), row: row(1) })).toEqual(
      ['resurrected'],
    );
  });

  it('finds a row and a tombstone at once', () => {
    const all = [write({ version: 1, action: 'delete' }), write({ version: 2 })];
    const trail = audit({ change: 'tombstone', version: 1 }, { version: 2 });
    expect(kinds({ writes: all, audit: trail, row: row(2), tombstone: { version: 1, epoch: 0 } })).toEqual([
      'ghost',
    ]);
  });

  it('finds what was never issued', () => {
    expect(kinds({ audit: audit({ version: 1 }), row: row(1) })).toEqual(['provenance']);
    expect(
      kinds({
        writes: [write({ version: 1 })],
        audit: audit({ version: 1 }),
        row: { ...row(1), intact: false },
      }),
    ).toEqual(['provenance']);
    expect(
      kinds({ audit: audit({ change: 'tombstone', version: 1 }), tombstone: { version: 1, epoch: 0 } }),
    ).toEqual(['provenance']);
    // A claim of an object that never was leaves a tombstone of version 0.
    expect(
      kinds({
        audit: audit({ change: 'tombstone', version: 0, epoch: 1 }),
        tombstone: { version: 0, epoch: 1 },
      }),
    ).toEqual([]);
  });
});

describe('fencing', () => {
  it('finds an epoch that falls', () => {
    const writes = [write({ version: 1, epoch: 2 }), write({ version: 2, epoch: 1 })];
    expect(
      kinds({ writes, audit: audit({ version: 1, epoch: 2 }, { version: 2, epoch: 1 }), row: row(2, 1) }),
    ).toEqual(['fencing']);
    const rising = [write({ version: 1, epoch: 1 }), write({ version: 2, epoch: 2 })];
    expect(
      kinds({
        writes: rising,
        audit: audit({ version: 1, epoch: 1 }, { version: 2, epoch: 2 }),
        row: row(2, 2),
      }),
    ).toEqual([]);
  });

  it('finds a write of an owner that was deposed before it was sent', () => {
    const stored = { audit: audit({ version: 5, epoch: 1 }), row: row(5, 1) };
    const writes = [write({ version: 5, epoch: 1 })];
    expect(kinds({ writes, loads: [claim(2, 100)], ...stored })).toEqual(['fencing']);
    // Sent before the claim was answered: it may have been applied before the claim.
    expect(kinds({ writes, loads: [claim(2, 495)], ...stored })).toEqual([]);
  });

  it('finds a claim that was given two epochs, and an epoch given to two claims', () => {
    expect(kinds({ loads: [claim(1, 0, 7), claim(2, 50, 7)] })).toEqual(['fencing']);
    expect(kinds({ loads: [claim(1, 0, 7), claim(1, 50, 8)] })).toEqual(['fencing']);
    expect(kinds({ loads: [claim(1, 0, 7), claim(1, 50, 7), claim(2, 90, 8)] })).toEqual([]);
  });
});

describe('compare-and-set', () => {
  it('finds one that was applied although its condition was not met', () => {
    const writes = [write({ version: 1 }), applied(3, { ifVersion: 1 })];
    expect(kinds({ writes, audit: audit({ version: 1 }, { version: 3 }), row: row(3) })).toEqual([]);
    const between = [write({ version: 1 }), write({ version: 2 }), applied(3, { ifVersion: 1 })];
    expect(
      kinds({ writes: between, audit: audit({ version: 1 }, { version: 2 }, { version: 3 }), row: row(3) }),
    ).toEqual(['compareAndSet']);
    const first = [write({ version: 1 }), applied(3, { ifVersion: 0 })];
    expect(kinds({ writes: first, audit: audit({ version: 1 }, { version: 3 }), row: row(3) })).toEqual([
      'compareAndSet',
    ]);
    const remove = [write({ version: 1 }), applied(3, { ifVersion: 1, action: 'delete' })];
    const removal = audit(
      { version: 1 },
      { change: 'gone', version: 1 },
      { change: 'tombstone', version: 3 },
    );
    expect(kinds({ writes: remove, audit: removal, tombstone: { version: 3, epoch: 0 } })).toEqual([]);
  });
});

describe('loads', () => {
  const writes = [write({ version: 1 }), write({ version: 2 })];
  const stored = { writes, audit: audit({ version: 1 }, { version: 2 }), row: row(2) };

  it('finds an ordered load that is older than a write confirmed before it', () => {
    expect(kinds({ ...stored, loads: [load({ version: 1, invokedAt: 300 })] })).toEqual(['misordered']);
    expect(kinds({ ...stored, loads: [load({ version: 2, invokedAt: 300 })] })).toEqual([]);
    // Not confirmed yet when the load began.
    expect(kinds({ ...stored, loads: [load({ version: 1, invokedAt: 240 })] })).toEqual([]);
  });

  it('allows a committed load to be older than what is only confirmed, not than what is committed', () => {
    const old = load({ action: 'committed', version: 1, invokedAt: 300 });
    expect(kinds({ ...stored, loads: [old] })).toEqual([]);
    expect(kinds({ ...stored, writes: [write({ version: 1 }), applied(2)], loads: [old] })).toEqual([
      'misordered',
    ]);
  });

  it('does not expect to see what was refused', () => {
    const refused = [write({ version: 1, epoch: 1 }), write({ version: 2, epoch: 0, outcome: 'fenced' })];
    const trail = audit({ version: 1, epoch: 1 });
    expect(
      kinds({
        writes: refused,
        audit: trail,
        row: row(1, 1),
        loads: [load({ version: 1, epoch: 1, invokedAt: 300 })],
      }),
    ).toEqual([]);
  });

  it('does not expect to see a compare-and-set that was refused, and stored when it was sent again later', () => {
    const removed = [
      write({ version: 1 }),
      write({ version: 3, ifVersion: 0, invokedAt: 110, endedAt: 140 }),
      write({ version: 2, action: 'delete', outcome: 'applied' }),
    ];
    const replayed = {
      writes: removed,
      audit: audit(
        { version: 1 },
        { change: 'gone', version: 1 },
        { change: 'tombstone', version: 2 },
        { version: 3 },
        { change: 'tombstone-gone', version: 2 },
      ),
      row: row(3),
      loads: [load({ version: 2, found: false, invokedAt: 300 })],
    };
    expect(kinds(replayed)).toEqual(['misordered']);
    expect(kinds({ ...replayed, letters: [letter({ version: 3, code: 'CONFLICT' })] })).toEqual([]);
    const told = { process: 0, outcome: 'conflict', storedEpoch: undefined, at: 250 } as const;
    expect(kinds({ ...replayed, failures: [told] })).toEqual([]);
    // Of another command, or of somebody else.
    expect(kinds({ ...replayed, letters: [letter({ version: 1, code: 'CONFLICT' })] })).toContain(
      'misordered',
    );
    expect(kinds({ ...replayed, failures: [{ ...told, process: 1 }] })).toEqual(['misordered']);
  });

  it('finds one that is older than what an earlier load saw', () => {
    const unheard = [write({ version: 1, outcome: 'unknown' }), write({ version: 2, outcome: 'unknown' })];
    const loads = [load({ version: 2, invokedAt: 300 }), load({ version: 1, invokedAt: 320 })];
    expect(kinds({ ...stored, writes: unheard, loads })).toEqual(['nonMonotonic']);
    const together = [load({ version: 2, invokedAt: 300 }), load({ version: 1, invokedAt: 305 })];
    expect(kinds({ ...stored, writes: unheard, loads: together })).toEqual([]);
  });

  it('finds content that was never issued, and an absence nobody made', () => {
    expect(kinds({ ...stored, loads: [load({ version: 2, nonce: 99, invokedAt: 300 })] })).toEqual([
      'provenance',
    ]);
    expect(kinds({ ...stored, loads: [load({ version: 2, intact: false, invokedAt: 300 })] })).toEqual([
      'provenance',
    ]);
    expect(kinds({ ...stored, loads: [load({ version: 2, found: false, invokedAt: 300 })] })).toEqual([
      'provenance',
    ]);
  });
});

describe('the run as a whole', () => {
  it('reports queues that did not drain, processes that ended, and what was never settled', () => {
    expect(judgeRun(NOTHING_WRONG)).toEqual([]);
    expect(kindsOf({ undrained: ['a queue'] })).toEqual(['liveness']);
    expect(kindsOf({ crashes: ['a worker'] })).toEqual(['liveness']);
    expect(kindsOf({ unsettled: ['a call'] })).toEqual(['accounting']);
    expect(kindsOf({ malformedReplies: ['a reply'] })).toEqual(['accounting']);
    expect(kindsOf({ foreignLetters: ['a letter'] })).toEqual(['provenance']);
  });

  it('counts by kind and keeps the first examples', async () => {
    const broken = Array.from({ length: 30 }, () => history({ writes: [write({ version: 1 })] }));
    const { counts, examples } = await judge(broken, NOTHING_WRONG);
    expect(counts.lost).toBe(30);
    expect(examples).toHaveLength(20);
  });
});
