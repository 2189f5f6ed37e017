/** What is being measured, as lines for people. */
import type { Progress } from '../measure/run-group.ts';
import type { Group, Sample } from '../measure/sample.ts';
import { number, rateOf } from './figures.ts';

export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

export class ProgressLines implements Progress {
  readonly #say: (line: string) => void;
  readonly #startedAt = performance.now();
  #rounds = 0;

  constructor(estimateSeconds: number, say: (line: string) => void) {
    this.#say = say;
    say(`this takes about ${duration(estimateSeconds)}`);
  }

  begin(group: Group, position: number, of: number): void {
    this.#rounds = group.rounds;
    this.#say(`[${position}/${of}] ${group.title} (${group.id}), ${duration(this.#seconds())} so far`);
  }

  measuring(contender: string, round: number): void {
    if (process.stderr.isTTY) process.stderr.write(`\r  ${this.#round(round)}  ${contender} …`);
  }

  measured(contender: string, round: number, sample: Sample): void {
    const { latencyMs, cpu } = sample;
    const details = [
      ...(latencyMs === undefined
        ? []
        : [`median ${number(latencyMs.median)} ms, p99 ${number(latencyMs.p99)} ms`]),
      ...(cpu.process === undefined ? [] : [`${number((cpu.process / sample.count) * 1e6)} µs CPU each`]),
    ];
    const clear = process.stderr.isTTY ? '\r\u001B[K' : '';
    const rate = `${number(rateOf(sample))}/s`;
    this.#say(
      `${clear}  ${this.#round(round)}  ${contender.padEnd(40)} ${rate.padStart(10)}  ${details.join(', ')}`,
    );
  }

  #round(round: number): string {
    return round === 0 ? 'warm-up  ' : `round ${round}/${this.#rounds}`;
  }

  #seconds(): number {
    return (performance.now() - this.#startedAt) / 1_000;
  }
}
