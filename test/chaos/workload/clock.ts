/** The one clock of a run: CLOCK_MONOTONIC, which all processes of a machine share. */

/** Microseconds; exact for 285 years of uptime. */
export function nowUs(): number {
  return Number(process.hrtime.bigint() / 1_000n);
}
