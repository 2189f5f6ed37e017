/** Numbers with units, as people read them. */

const LARGER_UNITS: Readonly<Record<string, readonly (readonly [factor: number, name: string])[]>> = {
  bytes: [
    [1_073_741_824, 'GiB'],
    [1_048_576, 'MiB'],
    [1_024, 'KiB'],
  ],
  ms: [
    [86_400_000, 'days'],
    [3_600_000, 'h'],
    [60_000, 'min'],
    [1_000, 's'],
  ],
};

/** The number in the largest unit in which it comes out even, such as `8 MiB`; `undefined` if there is none. */
export function inLargerUnit(value: number, unit: string | undefined): string | undefined {
  for (const [factor, name] of LARGER_UNITS[unit ?? ''] ?? []) {
    if (value >= factor && value % factor === 0) return `${value / factor} ${name}`;
  }
  return undefined;
}

/** A number with its unit, and in a larger one where it comes out even: `8388608 bytes (8 MiB)`. */
export function quantityText(value: number, unit: string | undefined): string {
  const larger = inLargerUnit(value, unit);
  const text = unit === undefined ? String(value) : `${value} ${unit}`;
  return larger === undefined ? text : `${text} (${larger})`;
}
