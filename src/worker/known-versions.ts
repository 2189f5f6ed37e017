/**
 * Finds what was superseded by a version that the same requester sent: it knows that version, and need not hear of it.
 *
 * Looks at one batch. The frames of a requester come in order, so its own newer version is in the same batch, except after
 * a redelivery; then it hears of it once more than it needs.
 */
import { REPLY_MODE_HEADER, REPLY_MODE_UNAPPLIED } from '../contract/names.ts';
import type { WorkEntry, WorkFrame } from './work-frame.ts';

/** Marks the answers. Costs a look at each answer, and more only where something was superseded. */
export function markKnownVersions(frames: readonly WorkFrame[]): void {
  /** By requester: what was superseded, and then the versions that it sent and that were applied. */
  const superseded = new Map<string, WorkEntry[]>();
  for (const { delivery, entries } of frames) {
    const { replyTo, headers } = delivery;
    if (replyTo === undefined || headers[REPLY_MODE_HEADER] !== REPLY_MODE_UNAPPLIED) continue;
    for (const work of entries) {
      if (work.answer?.line.outcome !== 'superseded') continue;
      const works = superseded.get(replyTo);
      if (works === undefined) superseded.set(replyTo, [work]);
      else works.push(work);
    }
  }
  for (const [requester, works] of superseded) {
    const sent = versionsOf(requester, frames);
    for (const work of works) {
      const { answer } = work;
      if (answer !== undefined && sent.get(answer.line.id)?.has(answer.line.version) === true) {
        work.answer = { ...answer, known: true };
      }
    }
  }
}

type Versions = ReadonlyMap<string | undefined, ReadonlySet<number | undefined>>;

/** The versions that a requester's frames of the batch had applied, by object. */
function versionsOf(requester: string, frames: readonly WorkFrame[]): Versions {
  const versions = new Map<string | undefined, Set<number | undefined>>();
  for (const { delivery, entries } of frames) {
    if (delivery.replyTo !== requester) continue;
    for (const { answer } of entries) {
      if (answer?.line.outcome !== 'applied') continue;
      const { id, version } = answer.line;
      const known = versions.get(id);
      if (known === undefined) versions.set(id, new Set([version]));
      else known.add(version);
    }
  }
  return versions;
}
