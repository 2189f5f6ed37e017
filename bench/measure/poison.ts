/** A drain with bad commands among the good ones: it ends when the last good one is committed and every letter is there. */
import { EventEmitter, once } from 'node:events';
import { poisonedFramesOf } from '../workloads/bad-commands.ts';
import type { WorkloadSpec } from '../workloads/workload.ts';
import { timeWorker } from './drain.ts';
import type { Rig } from './rig.ts';
import type { Sample } from './sample.ts';

export async function drainPoisoned(rig: Rig, spec: WorkloadSpec, bad: number): Promise<Sample> {
  await rig.broker.purge();
  await rig.database.reset(0, spec.documentBytes);
  // Without a reply address, so that conflicts become letters too.
  await rig.broker.publishFrames(poisonedFramesOf(spec, bad), true);
  const codes = new Map<string, number>();
  let letters = 0;
  const all = new EventEmitter();
  const allLetters = once(all, 'heard');
  const stopListening = await rig.broker.onDeadLetter((code) => {
    codes.set(code, (codes.get(code) ?? 0) + 1);
    letters += 1;
    if (letters === bad) all.emit('heard');
  });
  try {
    const sample = await timeWorker(rig, spec, 'holdfast (with bad commands)', allLetters);
    if (letters !== bad) {
      throw new Error(`${letters} letters instead of ${bad}: ${JSON.stringify(Object.fromEntries(codes))}`);
    }
    return sample;
  } finally {
    await stopListening();
  }
}
