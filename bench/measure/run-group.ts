/**
 * Runs the contenders of a group in turns, each round beginning with the next, A B C B C A C A B: what the machine does
 * meanwhile, and what a place in the round brings, meets all of them.
 */
import type { Group, GroupResult, Sample } from './sample.ts';

export interface Progress {
  /** A measurement begins. `round` 0 is the one that is thrown away. */
  measuring(contender: string, round: number): void;
  measured(contender: string, round: number, sample: Sample): void;
}

export interface RunLimits {
  readonly signal: AbortSignal;
  /** From then on each group gets one round, so that the whole has an end on a slow machine too. */
  readonly timeIsUp: () => boolean;
}

/** The result says how many rounds there were. */
export async function runGroup(
  group: Group,
  progress: Progress,
  { signal, timeIsUp }: RunLimits,
): Promise<GroupResult> {
  const warmUp = group.warmUp && !timeIsUp();
  let rounds = 0;
  const samples = new Map<string, Sample[]>(group.contenders.map(({ name }) => [name, []]));
  try {
    await group.setUp?.();
    for (let round = warmUp ? 0 : 1; round <= group.rounds; round += 1) {
      if (round > 1 && timeIsUp()) break;
      for (const { name, measure } of inTurn(group.contenders, round)) {
        signal.throwIfAborted();
        progress.measuring(name, round);
        const sample = await measure();
        progress.measured(name, round, sample);
        if (round > 0) samples.get(name)?.push(sample);
      }
      rounds = round;
    }
  } finally {
    await group.tearDown?.();
  }
  const { id, title, about, unit, contenders } = group;
  return {
    id,
    title,
    about,
    unit,
    rounds,
    warmUp,
    contenders: contenders.map(({ name, note }) => ({ name, note, samples: samples.get(name) ?? [] })),
  };
}

/** From the contender on whose turn it is to be first. */
function inTurn<Contender>(contenders: readonly Contender[], round: number): readonly Contender[] {
  const first = round % contenders.length;
  return [...contenders.slice(first), ...contenders.slice(0, first)];
}
