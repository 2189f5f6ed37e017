/** What a replay did, or would do, in a sentence. */
import type { ReplayOutcome } from '../../dead-letters/replay-run.ts';
import { countText } from '../number-text.ts';

type Tally = Readonly<Record<ReplayOutcome, number>>;

const WOULD: Readonly<Record<ReplayOutcome, readonly [one: string, several: string]>> = {
  applied: ['would apply', 'would apply'],
  superseded: ['is superseded', 'are superseded'],
  rejected: ['is rejected', 'are rejected'],
  fenced: ['is fenced', 'are fenced'],
  conflict: ['is in conflict', 'are in conflict'],
  invalid: ['is still invalid', 'are still invalid'],
  unheard: ['is a load that nobody waits for', 'are loads that nobody waits for'],
  'too-old': ['is too old without --force', 'are too old without --force'],
};

/** `17 would apply, 4 are superseded, 1 is fenced, 2 are still invalid`. */
export function forecastText(tally: Tally): string {
  return textOf(tally, WOULD);
}

const DID: Readonly<Record<ReplayOutcome, readonly [one: string, several: string]>> = {
  ...WOULD,
  applied: ['applied', 'applied'],
  superseded: ['superseded', 'superseded'],
  rejected: ['rejected again (it is a new letter)', 'rejected again (they are new letters)'],
  fenced: ['fenced', 'fenced'],
  conflict: ['in conflict', 'in conflict'],
};

/** `12 applied, 4 superseded; left open: 1 fenced, 2 are still invalid`. */
export function replayText(tally: Tally): string {
  const closed = textOf(part(tally, ['applied', 'superseded', 'rejected']), DID);
  const open = textOf(part(tally, ['fenced', 'conflict', 'invalid', 'unheard', 'too-old']), DID);
  return [...(closed === '' ? [] : [closed]), ...(open === '' ? [] : [`left open: ${open}`])].join('; ');
}

function part(tally: Tally, outcomes: readonly ReplayOutcome[]): Partial<Tally> {
  return Object.fromEntries(outcomes.map((outcome) => [outcome, tally[outcome]]));
}

function textOf(tally: Partial<Tally>, words: typeof WOULD): string {
  return Object.entries(tally)
    .filter(([, count]) => count > 0)
    .map(([outcome, count]) => `${countText(count)} ${words[outcome as ReplayOutcome][count === 1 ? 0 : 1]}`)
    .join(', ');
}
