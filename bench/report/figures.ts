/** Figures out of samples, and how they are written. */
import type { ContenderResult, CpuSeconds, GroupResult, Sample } from '../measure/sample.ts';
import { median, type Spread, spread } from '../measure/statistics.ts';

export const rateOf = ({ count, seconds }: Sample): number => count / seconds;

export function rates(contender: ContenderResult): Spread | undefined {
  return spread(contender.samples.map(rateOf));
}

/** Median CPU microseconds per command; `undefined` where it is not known. */
export function cpuMicroseconds(contender: ContenderResult, part: keyof CpuSeconds): number | undefined {
  const values = contender.samples.flatMap(({ cpu, count }) =>
    cpu[part] === undefined ? [] : [(cpu[part] / count) * 1e6],
  );
  return values.length === 0 ? undefined : median(values);
}

export function peakMemoryBytes(contender: ContenderResult): number | undefined {
  return spread(contender.samples.flatMap((sample) => sample.peakMemoryBytes ?? []))?.max;
}

export function latencyMs(contender: ContenderResult): { median: number; p99: number } | undefined {
  const latencies = contender.samples.flatMap((sample) => sample.latencyMs ?? []);
  if (latencies.length === 0) return undefined;
  return {
    median: median(latencies.map((each) => each.median)),
    p99: median(latencies.map((each) => each.p99)),
  };
}

export function contenderOf(
  groups: readonly GroupResult[],
  group: string,
  name: string,
): ContenderResult | undefined {
  return groups.find(({ id }) => id === group)?.contenders.find((contender) => contender.name === name);
}

/** Three digits that mean something. */
export function number(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return '';
  if (value >= 100) return Math.round(value).toLocaleString('en-US');
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

export function rateText(value: Spread | undefined): string {
  return value === undefined ? '' : `${number(value.median)}/s`;
}

export function rangeText(value: Spread | undefined): string {
  return value === undefined ? '' : `${number(value.min)}–${number(value.max)}`;
}

export function megabytes(bytes: number | undefined): string {
  return bytes === undefined ? '' : String(Math.round(bytes / 1e6));
}
