/** How much is measured: a full run, and one that only shows that everything still works. */

export interface Scale {
  readonly rounds: number;
  readonly roundsOfLarge: number;
  readonly warmUp: boolean;
  /**
   * Commands of a drain; of contenders that take ten times as long, fewer so that all run for some seconds; and of the
   * batching one.
   */
  readonly drain: number;
  readonly slowDrain: number;
  readonly batchDrain: number;
  readonly search: number;
  readonly searchRounds: number;
  readonly searchBatchRows: readonly number[];
  /** Of the search, so many are measured in every group. */
  readonly bestCells: number;
  readonly drain2k: number;
  readonly drain20k: number;
  readonly largeBacklog: number;
  readonly largeTableRows: number;
  readonly largeTableUpdates: number;
  readonly badCommands: number;
  readonly saves: number;
  readonly steadySeconds: number;
  readonly loadObjects: number;
  readonly loadSeconds: number;
}

export const FULL: Scale = {
  rounds: 5,
  roundsOfLarge: 3,
  warmUp: true,
  drain: 100_000,
  slowDrain: 15_000,
  batchDrain: 60_000,
  search: 30_000,
  searchRounds: 3,
  searchBatchRows: [500, 1_000, 5_000],
  bestCells: 2,
  drain2k: 30_000,
  drain20k: 4_000,
  largeBacklog: 1_000_000,
  largeTableRows: 5_000_000,
  largeTableUpdates: 100_000,
  badCommands: 200,
  saves: 60_000,
  steadySeconds: 10,
  loadObjects: 20_000,
  loadSeconds: 2,
};

export const QUICK: Scale = {
  rounds: 1,
  roundsOfLarge: 1,
  warmUp: false,
  drain: 4_000,
  slowDrain: 1_000,
  batchDrain: 2_000,
  search: 1_000,
  searchRounds: 1,
  searchBatchRows: [500],
  bestCells: 1,
  drain2k: 1_000,
  drain20k: 200,
  largeBacklog: 20_000,
  largeTableRows: 20_000,
  largeTableUpdates: 1_000,
  badCommands: 200,
  saves: 2_000,
  steadySeconds: 1,
  loadObjects: 1_000,
  loadSeconds: 0.3,
};
