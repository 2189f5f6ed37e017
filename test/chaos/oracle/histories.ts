/** Hand-made histories for the oracle's tests: an object to which only good things happened, and parts to spoil it with. */
import type { AuditEntry, Letter, Load, ObjectHistory, RunFacts, Write } from './history.ts';
import { judgeObject } from './judge.ts';
import type { ViolationKind } from './violation.ts';

export function write(fields: Partial<Write> & { version: number }): Write {
  const { action = 'save', version } = fields;
  return {
    action,
    process: 0,
    epoch: 0,
    nonce: action === 'save' ? version * 10 : 0,
    ifVersion: undefined,
    poison: 'none',
    outcome: 'confirmed',
    storedVersion: undefined,
    invokedAt: version * 100,
    endedAt: version * 100 + 50,
    bytesHash: undefined,
    ...fields,
  };
}

export function load(fields: Partial<Load> & { version: number; invokedAt: number }): Load {
  const { version, invokedAt, found = true } = fields;
  return {
    action: 'ordered',
    process: 1,
    found,
    epoch: 0,
    nonce: found ? version * 10 : 0,
    intact: true,
    claimId: undefined,
    endedAt: invokedAt + 10,
    ...fields,
  };
}

/** In the order given; `seq` follows from it. */
export function audit(...changes: (Partial<AuditEntry> & { version: number })[]): AuditEntry[] {
  return changes.map((entry, seq) => {
    const { change = 'row', version } = entry;
    return { seq, change, epoch: 0, nonce: change === 'row' ? version * 10 : 0, ...entry };
  });
}

export function letter(fields: Partial<Letter> & { version: number }): Letter {
  const { action = 'save', version } = fields;
  return {
    letterId: `letter-${version}`,
    messageId: `frame-${version}`,
    code: 'UNSTORABLE',
    action,
    nonce: action === 'save' ? version * 10 : 0,
    bytesHash: undefined,
    ...fields,
  };
}

export function history(parts: Partial<ObjectHistory>): ObjectHistory {
  return {
    object: 'user-1',
    writes: [],
    loads: [],
    failures: [],
    letters: [],
    audit: [],
    row: undefined,
    tombstone: undefined,
    repliesLost: new Map(),
    ...parts,
  };
}

/** The row that a save of this version leaves. */
export function row(version: number, epoch = 0): NonNullable<ObjectHistory['row']> {
  return { version, epoch, nonce: version * 10, intact: true };
}

/** What the oracle says, each kind once. */
export function kinds(parts: Partial<ObjectHistory>): ViolationKind[] {
  return [...new Set(judgeObject(history(parts)).map(({ kind }) => kind))].toSorted();
}

export const NOTHING_WRONG: RunFacts = {
  undrained: [],
  unsettled: [],
  malformedReplies: [],
  crashes: [],
  foreignLetters: [],
};
