/** Calls at a steady rate, whatever the earlier ones take, and how long each took. */
import { setTimeout as delay } from 'node:timers/promises';

export async function atRate(
  perSecond: number,
  seconds: number,
  call: (number: number) => Promise<void>,
): Promise<number[]> {
  const startedAt = performance.now();
  const latenciesMs: number[] = [];
  const calls: Promise<void>[] = [];
  for (let number = 0; number < perSecond * seconds; number += 1) {
    const dueAt = startedAt + (number * 1_000) / perSecond;
    const waitMs = dueAt - performance.now();
    if (waitMs > 0) await delay(waitMs);
    const calledAt = performance.now();
    calls.push(call(number).then(() => void latenciesMs.push(performance.now() - calledAt)));
  }
  await Promise.all(calls);
  return latenciesMs;
}
