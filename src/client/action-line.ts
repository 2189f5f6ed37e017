/**
 * Action lines, by hand: `encodeCommand` of the contract writes the same, at five times the cost, and this is done for
 * every command of every node. A test holds the two against each other.
 */

export interface WriteFields {
  readonly id: string;
  readonly version: number;
  readonly epoch: number;
  readonly ifVersion: number | undefined;
}

export interface SaveFields extends WriteFields {
  readonly type: string;
  readonly nextRcseq: number | undefined;
}

export interface LoadFields {
  readonly id: string;
  readonly claim: string | undefined;
  /** With `claim`: the epoch the claimant proposes, 0 for none. */
  readonly epoch: number;
  readonly document: boolean;
  /** Unix milliseconds. */
  readonly deadline: number;
}

export interface ListFields {
  readonly type: string;
  readonly after: string | undefined;
  readonly limit: number;
  readonly documents: boolean;
  /** Unix milliseconds. */
  readonly deadline: number;
}

export function saveLine({ id, type, version, epoch, ifVersion, nextRcseq }: SaveFields): string {
  const more = writeMembers(epoch, ifVersion) + (nextRcseq === undefined ? '' : `,"nextRcseq":${nextRcseq}`);
  return `{"save":{"id":${JSON.stringify(id)},"type":${JSON.stringify(type)},"version":${version}${more}}}\n`;
}

export function deleteLine({ id, version, epoch, ifVersion }: WriteFields): string {
  return `{"delete":{"id":${JSON.stringify(id)},"version":${version}${writeMembers(epoch, ifVersion)}}}\n`;
}

export function loadLine({ id, claim, epoch, document, deadline }: LoadFields): string {
  const ownership = claim === undefined ? '' : `,"claim":"${claim}"${epoch === 0 ? '' : `,"epoch":${epoch}`}`;
  const extent = document ? '' : ',"document":false';
  return `{"load":{"id":${JSON.stringify(id)}${ownership}${extent},"deadline":${deadline}}}\n`;
}

export function listLine({ type, after, limit, documents, deadline }: ListFields): string {
  const from = after === undefined ? '' : `,"after":${JSON.stringify(after)}`;
  const extent = documents ? ',"documents":true' : '';
  return `{"list":{"type":${JSON.stringify(type)}${from},"limit":${limit}${extent},"deadline":${deadline}}}\n`;
}

function writeMembers(epoch: number, ifVersion: number | undefined): string {
  return (
    (epoch === 0 ? '' : `,"epoch":${epoch}`) + (ifVersion === undefined ? '' : `,"ifVersion":${ifVersion}`)
  );
}
