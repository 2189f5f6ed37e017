/**
 * What was stored, change by change: versions only rise, epochs never fall, deletes stay deleted, everything stored was
 * issued, a compare-and-set met its condition, and no write of an owner that was deposed before it was sent is among it.
 */
import type { AuditEntry, Load, ObjectHistory, Write } from './history.ts';
import type { Issued } from './issued.ts';
import type { Report } from './violation.ts';

export function checkAudit(history: ObjectHistory, issued: Issued, report: Report): void {
  const trail = new Trail(issued, report, new Grants(history.loads));
  for (const entry of history.audit) trail.take(entry);
  checkFinal(history, issued, trail, report);
}

/** Which epochs had been granted, and told to their owners, by a given time. */
class Grants {
  readonly #endedAt: number[] = [];
  readonly #epochMax: number[] = [];

  constructor(loads: readonly Load[]) {
    const claims = loads.filter(({ claimId }) => claimId !== undefined);
    let max = 0;
    for (const { endedAt, epoch } of claims.toSorted((a, b) => a.endedAt - b.endedAt)) {
      max = Math.max(max, epoch);
      this.#endedAt.push(endedAt);
      this.#epochMax.push(max);
    }
  }

  before(time: number): number {
    let low = 0;
    let high = this.#endedAt.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#endedAt[middle] ?? 0) < time) low = middle + 1;
      else high = middle;
    }
    return this.#epochMax[low - 1] ?? 0;
  }
}

class Trail {
  live = false;
  version = 0;
  epoch = 0;
  /** Of the last change, which is lower than the highest where something went wrong. */
  last = 0;
  #nonce = 0;
  readonly #issued: Issued;
  readonly #report: Report;
  readonly #grants: Grants;

  constructor(issued: Issued, report: Report, grants: Grants) {
    this.#issued = issued;
    this.#report = report;
    this.#grants = grants;
  }

  take(entry: AuditEntry): void {
    switch (entry.change) {
      case 'row':
        this.#row(entry);
        return;
      case 'gone':
        this.live = false;
        return;
      case 'tombstone':
        this.#tombstone(entry);
        return;
      case 'tombstone-gone':
        return;
      default:
        entry.change satisfies never;
    }
  }

  #row(entry: AuditEntry): void {
    const { version, epoch, nonce } = entry;
    this.#checkEpoch(entry);
    const claimed = this.live && version === this.version && nonce === this.#nonce;
    if (!claimed) {
      const sendings = this.#issued.save(version, nonce)?.sendings ?? [];
      if (sendings.length === 0)
        this.#report('provenance', `stored what was never issued: ${describe(entry)}`);
      if (version <= this.version) {
        const kind = this.live || this.version === 0 ? 'stale' : 'resurrected';
        this.#report(kind, `${describe(entry)} after version ${this.version}`);
      }
      this.#checkSendings(entry, sendings);
    }
    this.live = true;
    this.version = Math.max(version, this.version);
    this.epoch = Math.max(epoch, this.epoch);
    this.#nonce = nonce;
    this.last = version;
  }

  #tombstone(entry: AuditEntry): void {
    const { version, epoch } = entry;
    this.#checkEpoch(entry);
    if (version < this.version) this.#report('stale', `${describe(entry)} after version ${this.version}`);
    // A claim of an object that is not there keeps the version that its tombstone has, 0 if it has none.
    if (version > this.version) {
      const sendings = this.#issued.delete(version)?.sendings ?? [];
      if (sendings.length === 0) this.#report('provenance', `deleted by nobody: ${describe(entry)}`);
      this.#checkSendings(entry, sendings);
    }
    this.version = Math.max(version, this.version);
    this.epoch = Math.max(epoch, this.epoch);
    this.last = version;
  }

  #checkEpoch(entry: AuditEntry): void {
    if (entry.epoch >= this.epoch) return;
    this.#report('fencing', `${describe(entry)} after epoch ${this.epoch}`);
  }

  #checkSendings(entry: AuditEntry, sendings: readonly Write[]): void {
    const [first] = sendings;
    if (first === undefined) return;
    if (first.poison !== 'none')
      this.#report('accounting', `a poison command was stored: ${describe(entry)}`);
    const { ifVersion } = first;
    if (ifVersion !== undefined && !(ifVersion === 0 ? !this.live : this.#wasLiveAt(entry, ifVersion))) {
      const state = this.live ? `version ${this.version}` : 'no object';
      this.#report('compareAndSet', `${describe(entry)} with ifVersion ${ifVersion} on ${state}`);
    }
    const granted = this.#grants.before(Math.min(...sendings.map(({ invokedAt }) => invokedAt)));
    if (granted > first.epoch) {
      this.#report('fencing', `${describe(entry)} was sent after epoch ${granted} had been granted`);
    }
  }

  /** The row of a delete is removed just before its tombstone is written. */
  #wasLiveAt({ change }: AuditEntry, version: number): boolean {
    return this.version === version && (this.live || change === 'tombstone');
  }
}

function checkFinal({ row, tombstone }: ObjectHistory, issued: Issued, trail: Trail, report: Report): void {
  if (row !== undefined && tombstone !== undefined) {
    report('ghost', `row of version ${row.version} and tombstone of version ${tombstone.version}`);
  }
  if (row !== undefined && (!row.intact || issued.save(row.version, row.nonce) === undefined)) {
    report('provenance', `the row of version ${row.version}, nonce ${row.nonce} was never issued`);
  }
  const version = Math.max(row?.version ?? 0, tombstone?.version ?? 0);
  if (version < trail.last) {
    const what = trail.live ? 'stale' : 'resurrected';
    report(what, `version ${version} at the end, after version ${trail.last}`);
  }
}

function describe({ change, version, epoch, nonce, seq }: AuditEntry): string {
  return `${change} of version ${version}, epoch ${epoch}, nonce ${nonce} (audit ${seq})`;
}
