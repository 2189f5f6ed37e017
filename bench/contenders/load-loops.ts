/** So many loops that each load one random object after the other for a while: the same for every way of loading. */
import { idOf } from '../workloads/objects.ts';
import type { RunResult } from './serve.ts';

export interface LoadsRun {
  readonly consistency: 'ordered' | 'committed';
  readonly concurrency: number;
  readonly seconds: number;
  /** Objects there are. */
  readonly objects: number;
}

/** @param load resolves with whether the object was found. */
export async function runLoads(run: LoadsRun, load: (id: string) => Promise<boolean>): Promise<RunResult> {
  const latenciesMs: number[] = [];
  const endAt = performance.now() + run.seconds * 1_000;
  const loop = async (): Promise<void> => {
    for (let startedAt = performance.now(); startedAt < endAt; startedAt = performance.now()) {
      const id = idOf(Math.floor(Math.random() * run.objects));
      if (!(await load(id))) throw new Error(`${id} was not found`);
      latenciesMs.push(performance.now() - startedAt);
    }
  };
  await Promise.all(Array.from({ length: run.concurrency }, loop));
  return { count: latenciesMs.length, latenciesMs };
}
