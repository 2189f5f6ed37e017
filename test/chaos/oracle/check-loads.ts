/**
 * What loads saw: nothing that was never issued; an ordered load everything confirmed before it; any load everything
 * committed, or seen by another load, before it; and every claim one epoch of its own.
 *
 * The versions of an object rise with time, so "sees everything before" is "has at least the highest version before".
 */
import type { Load, ObjectHistory, Write } from './history.ts';
import { epochMax, type Issued, keyOf, keyOfLetter } from './issued.ts';
import type { Report } from './violation.ts';

export function checkLoads(history: ObjectHistory, issued: Issued, report: Report): void {
  const { loads, writes } = history;
  if (loads.length === 0) return;
  for (const load of loads) checkProvenance(load, issued, report);
  checkClaims(loads, report);
  const effective = effectiveWrites(history, issued);
  const confirmed = new HighestBefore(effective);
  const committed = new HighestBefore(
    writes.filter(({ outcome }) => outcome === 'applied' || outcome === 'superseded'),
  );
  const seen = new HighestBefore(loads);
  for (const load of loads) {
    const due = (load.action === 'committed' ? committed : confirmed).before(load.invokedAt);
    if (load.version < due) {
      report('misordered', `${describeLoad(load)} after version ${due} had been confirmed`);
    }
    const earlier = seen.before(load.invokedAt);
    if (load.version < earlier) {
      report('nonMonotonic', `${describeLoad(load)} after a load had seen version ${earlier}`);
    }
  }
}

/**
 * Writes that were confirmed and certainly took effect where they stood in their queue, or were overtaken by one that did:
 * those stored, those said to be, and those that nothing could have refused. A compare-and-set that was refused and stored
 * all the same was replayed, by a publisher or from its letter, when its condition had come to hold: later than its confirm
 * says.
 */
function effectiveWrites(history: ObjectHistory, issued: Issued): Write[] {
  const stored = new Set<number>();
  for (const { change, version } of history.audit) {
    if (change === 'row' || change === 'tombstone') stored.add(version);
  }
  const highestEpoch = epochMax(history);
  const wasInConflict = conflictsOf(history);
  return history.writes.filter((write) => {
    const { outcome, version, epoch, ifVersion, poison } = write;
    if (outcome === 'applied' || outcome === 'superseded') return true;
    if (outcome !== 'confirmed' || poison !== 'none' || issued.isDisputed(version)) return false;
    if (ifVersion !== undefined && wasInConflict(write)) return false;
    return stored.has(version) || (epoch >= highestEpoch && ifVersion === undefined);
  });
}

/** Whether a conflict was told of a write, as far as that can be known: an event names only the object and the process. */
function conflictsOf({ letters, failures }: ObjectHistory): (write: Write) => boolean {
  const keys = new Set(letters.filter(({ code }) => code === 'CONFLICT').map(keyOfLetter));
  const events = failures.filter(({ outcome }) => outcome === 'conflict');
  return ({ action, version, nonce, process, invokedAt }) =>
    keys.has(keyOf(action, version, nonce)) ||
    events.some((event) => event.process === process && event.at >= invokedAt);
}

/** The highest version among those that had ended before a time. */
class HighestBefore {
  readonly #endedAt: Float64Array;
  readonly #versions: Float64Array;

  constructor(events: readonly { readonly endedAt: number; readonly version: number }[]) {
    const sorted = events.toSorted((a, b) => a.endedAt - b.endedAt);
    this.#endedAt = Float64Array.from(sorted, ({ endedAt }) => endedAt);
    this.#versions = new Float64Array(sorted.length);
    let max = 0;
    for (const [index, { version }] of sorted.entries()) {
      max = Math.max(max, version);
      this.#versions[index] = max;
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
    return this.#versions[low - 1] ?? 0;
  }
}

function checkProvenance(load: Load, issued: Issued, report: Report): void {
  const { found, version, nonce, intact } = load;
  if (found && (!intact || issued.save(version, nonce) === undefined)) {
    report('provenance', `${describeLoad(load)} was never issued`);
  }
  if (!found && version > 0 && issued.delete(version) === undefined) {
    report('provenance', `${describeLoad(load)}, which nobody deleted`);
  }
}

/** A claim is given one epoch however often it is delivered, and no other claim is given the same. */
function checkClaims(loads: readonly Load[], report: Report): void {
  const epochs = new Map<number, number>();
  const claimIds = new Map<number, number>();
  for (const { claimId, epoch } of loads) {
    if (claimId === undefined) continue;
    const known = epochs.get(claimId);
    if (known !== undefined && known !== epoch) {
      report('fencing', `claim ${claimId} was given epoch ${known} and epoch ${epoch}`);
    }
    epochs.set(claimId, epoch);
    const other = claimIds.get(epoch);
    if (other !== undefined && other !== claimId) {
      report('fencing', `claims ${other} and ${claimId} were both given epoch ${epoch}`);
    }
    claimIds.set(epoch, claimId);
  }
}

function describeLoad({ action, found, version, process, invokedAt }: Load): string {
  const what = action === 'claim' ? 'claim' : `${action} load`;
  return `${what} by process ${process} at ${invokedAt}: ${found ? 'found' : 'absent'} at version ${version}`;
}
