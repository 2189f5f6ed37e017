/** The ways in which a history can break the promises. */

export const VIOLATION_KINDS = [
  /** A confirmed write is neither stored, nor overtaken by a newer one, nor reported to anybody, nor in a letter. */
  'lost',
  /** As `lost`, but it was refused and the reply was on its way to a process that had just lost its queue. */
  'unheard',
  /** A newer state was overwritten by an older one. */
  'stale',
  /** A deleted object came back by a write older than its delete. */
  'resurrected',
  /** A row and a tombstone at once. */
  'ghost',
  /** An ordered load is older than a write confirmed before it, or any load than one committed before it. */
  'misordered',
  /** A load is older than an earlier one. */
  'nonMonotonic',
  /** What is stored or was loaded was never issued for that object and version. */
  'provenance',
  /** Written under an epoch lower than one granted before; or a claim that was given two epochs. */
  'fencing',
  /** Applied although its `ifVersion` was not met. */
  'compareAndSet',
  /** Refused although nothing was wrong with it. */
  'wronglyRejected',
  /** Two letters for one command. */
  'doubleLetter',
  /** Not exactly one outcome. */
  'accounting',
  /** Something did not go on after everything had been healed. */
  'liveness',
] as const;
export type ViolationKind = (typeof VIOLATION_KINDS)[number];

/**
 * Those that no run may have. `unheard` is counted and shown, but cannot be excluded: a requester that loses its queue
 * of replies loses what RabbitMQ had confirmed into it.
 */
export const BAD_KINDS: readonly ViolationKind[] = VIOLATION_KINDS.filter((kind) => kind !== 'unheard');

export interface Violation {
  readonly kind: ViolationKind;
  /** `undefined` where it concerns the whole run. */
  readonly object: string | undefined;
  readonly detail: string;
}

/** Takes violations in. */
export type Report = (kind: ViolationKind, detail: string) => void;
