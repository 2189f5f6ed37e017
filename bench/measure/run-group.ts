/** Runs the contenders of a group in turns, A B C A B C, so that what the machine does meanwhile meets all of them. */
import type { Group, GroupResult, Sample } from './sample.ts';

export interface Progress {
  /** A measurement begins. `round` 0 is the one that is thrown away. */
  measuring(contender: string, round: number): void;
  measured(contender: string, round: number, sample: Sample): void;
}

export async function runGroup(group: Group, progress: Progress, signal: AbortSignal): Promise<GroupResult> {
  const samples = new Map<string, Sample[]>(group.contenders.map(({ name }) => [name, []]));
  try {
    await group.setUp?.();
    for (let round = group.warmUp ? 0 : 1; round <= group.rounds; round += 1) {
      for (const { name, measure } of group.contenders) {
        signal.throwIfAborted();
        progress.measuring(name, round);
        const sample = await measure();
        progress.measured(name, round, sample);
        if (round > 0) samples.get(name)?.push(sample);
      }
    }
  } finally {
    await group.tearDown?.();
  }
  const { id, title, about, unit, rounds, warmUp, contenders } = group;
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
