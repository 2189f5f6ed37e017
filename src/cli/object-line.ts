/** Objects as lines of NDJSON. A document stands in it byte for byte as PostgreSQL renders it: no number is rounded. */
import type { FoundObject, LoadResult } from '../client/results.ts';

/** `{"id":…,"found":true,"type":…,"version":…,"epoch":…,"document":…}`; without a document where none was asked for. */
export function objectLine(result: LoadResult): string {
  if (!result.found) {
    const { id, version, epoch } = result;
    return JSON.stringify({ id, found: false, version, epoch });
  }
  return foundLine(result);
}

function foundLine({ id, type, version, epoch, nextRcseq, text }: FoundObject): string {
  const head = JSON.stringify({
    id,
    found: true,
    type,
    version,
    epoch,
    ...(nextRcseq === 0 ? {} : { nextRcseq }),
  });
  return text === undefined ? head : `${head.slice(0, -1)},"document":${text}}`;
}
