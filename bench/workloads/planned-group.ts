/** A group before it is built: named, and with what it will cost in time. */
import type { CeilingCell } from '../contenders/ceiling.ts';
import type { Rig } from '../measure/rig.ts';
import type { Group } from '../measure/sample.ts';
import type { Scale } from './scale.ts';

export interface PlanContext {
  readonly rig: Rig;
  readonly scale: Scale;
  /** The best ways to write in bulk, as the search found them, best first; without a search, ways known to be good. */
  readonly bestCells: (kind: 'new' | 'updates') => readonly CeilingCell[];
}

export interface Rounds {
  readonly rounds: number;
  /** Whether a first one is thrown away. */
  readonly warmUp: boolean;
}

export interface PlannedGroup {
  readonly id: string;
  /** Of a full run on two slow cores: before the rounds, and per round. */
  readonly setUpSeconds: number;
  readonly roundSeconds: number;
  readonly rounds: (scale: Scale) => Rounds;
  readonly build: (context: PlanContext) => Group;
}

export const usualRounds = ({ rounds, warmUp }: Scale): Rounds => ({ rounds, warmUp });
