/** Compares every object with what its node last had confirmed. */
import { isDeepStrictEqual } from 'node:util';
import { connect, type LoadResult } from 'holdfast';
import type { ConfirmedObject, NodeReport } from './plan.ts';
import { PARTITIONS } from './plan.ts';

export interface Verdict {
  readonly compared: number;
  /** Confirmed, and not there. */
  readonly lost: string[];
  /** There, but older or other than what was confirmed. */
  readonly stale: string[];
}

const OBJECTS_AT_ONCE = 1_000;

export async function verify(url: string, prefix: string, reports: readonly NodeReport[]): Promise<Verdict> {
  const client = await connect({ url, node: 'demo-verify', prefix, partitions: PARTITIONS });
  const objects = reports.flatMap((report) => report.objects);
  const lost: string[] = [];
  const stale: string[] = [];
  for (let at = 0; at < objects.length; at += OBJECTS_AT_ONCE) {
    const part = objects.slice(at, at + OBJECTS_AT_ONCE);
    const loaded = await client.loadMany(part.map(({ id }) => id));
    for (const [index, confirmed] of part.entries()) {
      const found = loaded[index];
      if (found === undefined || isLost(confirmed, found)) lost.push(confirmed.id);
      else if (!isSame(confirmed, found)) stale.push(confirmed.id);
    }
  }
  await client.close();
  return { compared: objects.length, lost, stale };
}

/** How many of these objects are there. */
export async function countStored(url: string, prefix: string, ids: readonly string[]): Promise<number> {
  const client = await connect({ url, node: 'demo-verify', prefix, partitions: PARTITIONS });
  const loaded = await client.loadMany([...ids]);
  await client.close();
  return loaded.filter(({ found }) => found).length;
}

function isLost(confirmed: ConfirmedObject, found: LoadResult): boolean {
  return confirmed.document !== undefined && !found.found;
}

function isSame({ version, document }: ConfirmedObject, found: LoadResult): boolean {
  if (found.version !== version) return false;
  if (document === undefined) return !found.found;
  return found.found && isDeepStrictEqual(found.document, JSON.parse(document));
}
