/** Which way of writing in bulk is the best here: each strategy, with three batch sizes, on one and on two connections. */
import type { CeilingCell } from '../contenders/ceiling.ts';
import { STRATEGIES } from '../contenders/ceiling-strategies.ts';
import { drainInBulk } from '../measure/drain.ts';
import type { Contender, GroupResult } from '../measure/sample.ts';
import type { PlanContext, PlannedGroup, Rounds } from './planned-group.ts';
import { FULL, type Scale } from './scale.ts';
import { workload } from './workload.ts';

const CONNECTIONS = [1, 2];
const DOCUMENT_BYTES = 500;

/**
 * Measured in every group, whatever the search found: a search that the machine's changes of speed lead astray then makes no
 * ceiling too low. What was best in most searches on the machines of this project.
 */
const ALWAYS: CeilingCell = { strategy: 'copy', batchRows: 5_000, connections: 2 };

/** What to measure where nothing was searched for. */
const USUALLY_GOOD: readonly CeilingCell[] = [
  { strategy: 'unnest', batchRows: 1_000, connections: 2 },
  { strategy: 'copy-merge', batchRows: 5_000, connections: 2 },
];

const searchId = (kind: 'new' | 'updates'): string => `ceiling-${kind}`;

const nameOf = ({ strategy, batchRows, connections }: CeilingCell): string =>
  `ceiling: ${strategy}, ${batchRows.toLocaleString('en-US')} rows, ${connections} conn.`;

const cells = (batchRows: readonly number[]): CeilingCell[] =>
  STRATEGIES.flatMap((strategy) =>
    batchRows.flatMap((rows) =>
      CONNECTIONS.map((connections) => ({ strategy, batchRows: rows, connections })),
    ),
  );

/** The best cells of a search, and the one that is always measured, as contenders on some workload. */
export function ceilings(
  { rig, scale, bestCells }: PlanContext,
  spec: () => Parameters<typeof drainInBulk>[1],
  kind: 'new' | 'updates',
): Contender[] {
  const best = bestCells(kind).slice(0, scale.bestCells);
  const measured = best.some((cell) => nameOf(cell) === nameOf(ALWAYS)) ? best : [...best, ALWAYS];
  return measured.map((cell) => ({ name: nameOf(cell), measure: () => drainInBulk(rig, spec(), cell) }));
}

/** By their best rounds: the machine's slow minutes meet some cells and not others. */
export function bestCellsOf(
  results: ReadonlyMap<string, GroupResult>,
  kind: 'new' | 'updates',
): readonly CeilingCell[] {
  const searched = results.get(searchId(kind));
  if (searched === undefined) return USUALLY_GOOD;
  const secondsOf = (cell: CeilingCell): number => {
    const samples = searched.contenders.find(({ name }) => name === nameOf(cell))?.samples ?? [];
    return Math.min(...samples.map(({ seconds }) => seconds));
  };
  return cells(FULL.searchBatchRows).toSorted((a, b) => secondsOf(a) - secondsOf(b));
}

const searchRounds = (scale: Scale): Rounds => ({ rounds: scale.searchRounds, warmUp: false });

const search = (kind: 'new' | 'updates', roundSeconds: number): PlannedGroup => ({
  id: searchId(kind),
  setUpSeconds: 0,
  roundSeconds,
  rounds: searchRounds,
  build: ({ rig, scale }) => ({
    id: searchId(kind),
    title: `Search for the ceiling: ${kind === 'new' ? 'all new' : 'all updates'}`,
    about:
      'No queue: rows in memory to the table, 500-byte documents, guarded by version and epoch. The best ones are ' +
      'measured again side by side with everything else below; here, fewer rounds find them.',
    unit: 'rows',
    ...searchRounds(scale),
    contenders: cells(scale.searchBatchRows).map((cell) => ({
      name: nameOf(cell),
      measure: () => drainInBulk(rig, workload(kind, scale.search, DOCUMENT_BYTES), cell),
    })),
  }),
});

export const CEILING_SEARCH: readonly PlannedGroup[] = [search('new', 90), search('updates', 100)];
