/** Reads a moment as people write it: a time, or how long ago. */
import { InvalidArgumentError } from 'commander';

const UNITS_MS: Readonly<Record<string, number>> = {
  s: 1_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** `2026-11-23`, `2026-11-23T10:00:00Z`, or `30min`, `2h`, `3d` ago; as ISO 8601. Without a zone it is UTC. */
export function moment(text: string): string {
  const ago = /^(?<count>\d{1,6})\s?(?<unit>s|min|h|d)$/.exec(text)?.groups;
  if (ago !== undefined) {
    return new Date(Date.now() - Number(ago['count']) * (UNITS_MS[ago['unit'] ?? ''] ?? 0)).toISOString();
  }
  if (/^\d{4}-\d\d-\d\d/.test(text)) {
    const zoned = /T.*(?:Z|[+-]\d\d:?\d\d)$/.test(text) || !text.includes('T') ? text : `${text}Z`;
    const date = new Date(zoned);
    if (!Number.isNaN(date.getTime())) return date.toISOString();
  }
  throw new InvalidArgumentError(
    'It must be a time such as 2026-11-23T10:00:00Z, or an age such as 30min, 2h, 3d.',
  );
}
