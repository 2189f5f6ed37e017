/** The result of a run, for people. */
import { VIOLATION_KINDS } from '../oracle/violation.ts';
import type { ChaosResult } from './chaos-run.ts';

export function describeResult(result: ChaosResult): string {
  const { seed, minutes, versions, confirmed, answered, sentTwice, replayed, auditRows, letters } = result;
  const lines = [
    '',
    `seed ${seed}, ${minutes.toFixed(1)} minutes, ${versions}`,
    '',
    ...pairs({
      'commands confirmed': confirmed,
      'loads and claims answered': answered,
      'commands sent twice on purpose': sentTwice,
      'frames replayed on purpose': replayed,
      'changes in the audit trail': auditRows,
      'dead letters': letters,
      'workers started': result.workersStarted,
    }),
    '',
    'outcomes',
    ...pairs(result.outcomes),
    '',
    'faults',
    ...pairs(result.faults),
    ...Object.entries(result.missedFaults).map(
      ([kind, count]) => `  ${kind}: ${count} times its moment never came`,
    ),
    ...(result.leftOut.length === 0
      ? []
      : [`  left out, since the servers are not ours: ${result.leftOut.join(', ')}`]),
    '',
    'violations',
    ...pairs(Object.fromEntries(VIOLATION_KINDS.map((kind) => [kind, result.violations[kind]]))),
  ];
  for (const { kind, object, detail } of result.examples.slice(0, 40)) {
    lines.push(`  ${kind}${object === undefined ? '' : ` of ${object}`}: ${detail}`);
  }
  if (result.notes.length > 0) lines.push('', 'notes', ...result.notes.map((note) => `  ${note}`));
  lines.push(
    '',
    result.held
      ? 'held: 0 lost, 0 stale, 0 in every other bad column'
      : `BROKEN; the history is kept in ${result.folder}`,
  );
  return lines.join('\n');
}

function pairs(values: Readonly<Record<string, number>>): string[] {
  return Object.entries(values).map(
    ([name, value]) => `  ${name.padEnd(34)} ${value.toLocaleString('en-US').padStart(12)}`,
  );
}
