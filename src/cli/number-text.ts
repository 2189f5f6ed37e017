/** Numbers, durations, sizes and times as people read them. The same on every machine: English, UTC. */

const GROUPED = new Intl.NumberFormat('en-US');

/** `147043` -> `147,043`. */
export function countText(value: number): string {
  return GROUPED.format(value);
}

/** `1 object`, `147,043 objects`. */
export function plural(count: number, singular: string, several = `${singular}s`): string {
  return `${countText(count)} ${count === 1 ? singular : several}`;
}

/** `12 ms`, `3.2 s`, `48 s`, `3 min 5 s`, `2 h 4 min`, `3 d 4 h`, `228 years`. */
export function durationText(durationMs: number): string {
  const seconds = Math.max(0, durationMs) / 1_000;
  if (seconds < 0.1) return `${Math.round(seconds * 1_000)} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return joined(minutes, 'min', whole % 60, 's');
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return joined(hours, 'h', minutes % 60, 'min');
  const days = Math.floor(hours / 24);
  return days < 730 ? joined(days, 'd', hours % 24, 'h') : `${Math.floor(days / 365)} years`;
}

function joined(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`;
}

/** `517 B`, `16.3 KiB`, `1.0 GiB`. */
export function bytesText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1_024 && unit < units.length - 1) {
    value /= 1_024;
    unit += 1;
  }
  return unit === 0 ? `${bytes} B` : `${value.toFixed(1)} ${units[unit]}`;
}

/** A rate per second with three digits that mean something: `45,900/s`, `12.3/s`. */
export function rateText(count: number, durationMs: number): string {
  const rate = count / Math.max(durationMs / 1_000, 0.001);
  if (rate >= 1_000) return `${countText(Number(rate.toPrecision(3)))}/s`;
  return `${rate >= 100 ? rate.toFixed(0) : rate.toFixed(1)}/s`;
}

/** Versions from here on can be times: 2001-09-09 in microseconds. Below are counters of a writer's own. */
const TIME_VERSION_MIN = 1e15;
/** The last millisecond that `Date` can hold, in microseconds: 275760-09-13. */
const TIME_VERSION_MAX = 8.64e18;

/** A version as the time that it is in microseconds, or `undefined` if it is no such number. */
export function versionTime(version: number): string | undefined {
  if (version < TIME_VERSION_MIN || version > TIME_VERSION_MAX) return undefined;
  return new Date(Math.floor(version / 1_000)).toISOString();
}

/** How a version read as a time lies to the clock: `3.2 s ago`, `5 min ahead of the clock`. */
export function versionAge(version: number, nowMs: number): string {
  const ageMs = nowMs - version / 1_000;
  return ageMs >= 0 ? `${durationText(ageMs)} ago` : `${durationText(-ageMs)} ahead of the clock`;
}
