/**
 * Finds what was superseded by a version that the same requester sent: it knows that version, and need not hear of it.
 *
 * Looks at one batch. The frames of a requester come in order, so its own newer version is in the same batch, except after
 * a redelivery; then it hears of it once more than it needs.
 */
import { REPLY_MODE_HEADER, REPLY_MODE_UNAPPLIED } from '../contract/names.ts';
import type { ReplyLine } from '../contract/reply.ts';
import type { WorkEntry, WorkFrame } from './work-frame.ts';

/** Marks the answers. Costs a look at each answer, and more only where something was superseded. */
export function markKnownVersions(frames: readonly WorkFrame[]): void {
  /** By requester: what was superseded, and then the versions that it sent and that were applied. */
  const superseded = new Map<string, WorkEntry[]>();
  for (const { delivery, entries } of frames) {
    const { replyTo, headers } = delivery;
    if (replyTo === undefined || headers[REPLY_MODE_HEADER] !== REPLY_MODE_UNAPPLIED) continue;
    for (const work of entries) {
      if (work.line?.outcome !== 'superseded') continue;
      const works = superseded.get(replyTo);
      if (works === undefined) superseded.set(replyTo, [work]);
      else works.push(work);
    }
  }
  for (const [requester, works] of superseded) {
    const sent = new AppliedVersions(requester, frames);
    for (const work of works) work.known = work.line !== undefined && sent.has(work.line);
  }
}

/** The versions that a requester's frames of the batch had applied. */
class AppliedVersions {
  /** The last of each object; mostly there is no other. */
  readonly #last = new Map<string | undefined, number | undefined>();
  readonly #earlier = new Map<string | undefined, (number | undefined)[]>();

  constructor(requester: string, frames: readonly WorkFrame[]) {
    for (const { delivery, entries } of frames) {
      if (delivery.replyTo !== requester) continue;
      for (const { line } of entries) if (line?.outcome === 'applied') this.#add(line);
    }
  }

  has({ id, version }: ReplyLine): boolean {
    return this.#last.get(id) === version || this.#earlier.get(id)?.includes(version) === true;
  }

  #add({ id, version }: ReplyLine): void {
    const last = this.#last.get(id);
    this.#last.set(id, version);
    if (last === undefined || last === version) return;
    const earlier = this.#earlier.get(id);
    if (earlier === undefined) this.#earlier.set(id, [last]);
    else earlier.push(last);
  }
}
