/** Frames as a publisher in any language makes them: lines of text, good and bad. */
import type { Poison } from '../oracle/history.ts';
import { claimIdOf, documentText, hashBytes } from '../workload/documents.ts';
import { objectId, objectType } from '../workload/objects.ts';

/** One command of a frame. */
export interface RawCommand {
  readonly object: number;
  readonly action: 'save' | 'delete' | 'claim' | 'ordered';
  readonly version: number;
  readonly epoch: number;
  readonly nonce: number;
  readonly ifVersion: number | undefined;
  readonly poison: Poison;
  /** Number of the claim id. */
  readonly claimId: number | undefined;
  readonly lines: Buffer;
}

/** Ways for one command to be bad in itself. */
export const COMMAND_POISONS = [
  'unknown field',
  'bad version',
  'broken document',
  'not an object',
  'NUL',
  'lone surrogate',
  'huge exponent',
  'wrong partition',
] as const;
export type CommandPoison = (typeof COMMAND_POISONS)[number] | 'oversize';

export interface WriteFields {
  readonly object: number;
  readonly version: number;
  readonly epoch: number;
  readonly nonce: number;
  readonly ifVersion: number | undefined;
}

export function saveCommand(
  fields: WriteFields,
  bytes: number,
  poison: CommandPoison | 'refused' | undefined,
): RawCommand {
  const { object, version, epoch, nonce, ifVersion } = fields;
  const action: Record<string, unknown> = { id: objectId(object), type: objectType(object), version };
  if (epoch > 0) action['epoch'] = epoch;
  if (ifVersion !== undefined) action['ifVersion'] = ifVersion;
  if (poison === 'unknown field') action['verison'] = 1;
  if (poison === 'bad version') action['version'] = version + 0.5;
  const document = spoil(
    documentText(object, version, nonce, poison === 'oversize' ? 1_100_000 : bytes),
    poison,
  );
  return {
    ...fields,
    action: 'save',
    claimId: undefined,
    poison: poison === undefined ? 'none' : poison === 'refused' ? 'refused' : 'always',
    lines: Buffer.from(`${JSON.stringify({ save: action })}\n${document}\n`),
  };
}

/** A delete carries its version again where readers do not look: dead letters of bad ones are known by it. */
export function deleteCommand(fields: WriteFields): RawCommand {
  const { object, version, epoch, ifVersion } = fields;
  const action = {
    id: objectId(object),
    version,
    ...(epoch > 0 ? { epoch } : {}),
    ...(ifVersion === undefined ? {} : { ifVersion }),
    'x-chaos': 1,
  };
  return {
    ...fields,
    nonce: 0,
    action: 'delete',
    claimId: undefined,
    poison: 'none',
    lines: Buffer.from(`${JSON.stringify({ delete: action })}\n`),
  };
}

export function claimCommand(object: number, claimId: number, proposed: number): RawCommand {
  const action = {
    id: objectId(object),
    claim: claimIdOf(claimId),
    ...(proposed > 0 ? { epoch: proposed } : {}),
  };
  return {
    ...nothing(object),
    action: 'claim',
    claimId,
    lines: Buffer.from(`${JSON.stringify({ load: action })}\n`),
  };
}

export function loadCommand(object: number): RawCommand {
  return {
    ...nothing(object),
    action: 'ordered',
    lines: Buffer.from(`${JSON.stringify({ load: { id: objectId(object) } })}\n`),
  };
}

export function bytesHashOf({ poison, lines }: RawCommand): number | undefined {
  // A hash of every good command would cost more than sending it.
  return poison === 'always' && lines.length < 100_000 ? hashBytes(lines) : undefined;
}

function nothing(object: number): Omit<RawCommand, 'action' | 'lines'> {
  return { object, version: 0, epoch: 0, nonce: 0, ifVersion: undefined, poison: 'none', claimId: undefined };
}

function spoil(document: string, poison: CommandPoison | 'refused' | undefined): string {
  const rest = document.slice(1);
  switch (poison) {
    case 'broken document':
      return document.slice(0, -1);
    case 'not an object':
      return `[${document}]`;
    case 'NUL':
      return `{"nul":"\\u0000",${rest}`;
    case 'lone surrogate':
      return `{"lone":"\\ud800",${rest}`;
    case 'huge exponent':
      return `{"huge":1e20000,${rest}`;
    case 'refused':
      return `{"refused":true,${rest}`;
    case 'unknown field':
    case 'bad version':
    case 'wrong partition':
    case 'oversize':
    case undefined:
      return document;
    default:
      return poison satisfies never;
  }
}
