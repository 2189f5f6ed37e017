/**
 * The oracle: what of the promises a recorded history breaks. Pure; objects are judged one by one, so that memory does
 * not follow the length of a run.
 */
import { checkAudit } from './check-audit.ts';
import { checkFates } from './check-fates.ts';
import { checkLoads } from './check-loads.ts';
import type { ObjectHistory, RunFacts } from './history.ts';
import { Issued } from './issued.ts';
import { VIOLATION_KINDS, type Violation, type ViolationKind } from './violation.ts';

export function judgeObject(history: ObjectHistory): Violation[] {
  const violations: Violation[] = [];
  const report = (kind: ViolationKind, detail: string): void => {
    violations.push({ kind, object: history.object, detail });
  };
  const issued = new Issued(history.writes);
  checkAudit(history, issued, report);
  checkLoads(history, issued, report);
  checkFates(history, issued, report);
  return violations;
}

function all(kind: ViolationKind, details: readonly string[]): Violation[] {
  return details.map((detail) => ({ kind, object: undefined, detail }));
}

export function judgeRun(facts: RunFacts): Violation[] {
  return [
    ...all('liveness', facts.undrained),
    ...all('liveness', facts.crashes),
    ...all('accounting', facts.unsettled),
    ...all('accounting', facts.malformedReplies),
    ...all('provenance', facts.foreignLetters),
  ];
}

export interface Verdict {
  readonly counts: Readonly<Record<ViolationKind, number>>;
  /** The first of each kind; a broken run can have millions. */
  readonly examples: readonly Violation[];
}

const EXAMPLES_MAX = 20;

/** Judges a whole history. */
export async function judge(
  objects: AsyncIterable<ObjectHistory> | Iterable<ObjectHistory>,
  facts: RunFacts,
): Promise<Verdict> {
  const counts = Object.fromEntries(VIOLATION_KINDS.map((kind) => [kind, 0])) as Record<
    ViolationKind,
    number
  >;
  const examples: Violation[] = [];
  const take = (violations: readonly Violation[]): void => {
    for (const violation of violations) {
      counts[violation.kind] += 1;
      if (counts[violation.kind] <= EXAMPLES_MAX) examples.push(violation);
    }
  };
  take(judgeRun(facts));
  for await (const history of objects) take(judgeObject(history));
  return { counts, examples };
}
