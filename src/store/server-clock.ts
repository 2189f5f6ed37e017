/** How far the server's clock is from ours. For tools. */
import type { Queryable } from './connection.ts';

/** One row: milliseconds since 1970, with fractions. */
const SERVER_CLOCK = { text: 'SELECT extract(epoch FROM clock_timestamp())::float8 * 1000' };

export interface ClockDifference {
  /** Positive if the server's clock is ahead. */
  readonly aheadMs: number;
  /** How much of that may be the way there and back. */
  readonly uncertaintyMs: number;
}

/** @throws StoreError */
export async function readClockDifference(connection: Queryable): Promise<ClockDifference> {
  const before = Date.now();
  const { rows } = await connection.query<[serverMs: number]>(SERVER_CLOCK);
  const after = Date.now();
  const serverMs = Number(rows[0]?.[0]);
  return { aheadMs: serverMs - (before + after) / 2, uncertaintyMs: (after - before) / 2 };
}
