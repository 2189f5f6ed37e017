/** `holdfast object`: everything about one object, and the way out after a wild version. */
import { commandsQueue, namesFor } from '../../contract/names.ts';
import { lockSlotOf, partitionOfShard, shardOf } from '../../contract/partition.ts';
import type { Connection } from '../../store/connection.ts';
import type { ObjectLetter } from '../../store/letters-of-object.ts';
import type { ClaimDetails } from '../../store/newest-claims.ts';
import type { ObjectDetails } from '../../store/object-details.ts';
import type { CommandContext, CommandDefinition } from '../command-definition.ts';
import { usageFailure } from '../command-failure.ts';
import { EXIT_CODES, type ExitCode } from '../exit-code.ts';
import { wholeNumber } from '../flag-values.ts';
import { bytesText, countText, versionAge, versionTime } from '../number-text.ts';
import { checkedId } from '../object-ids.ts';
import { type ResetFlags, resetObject } from '../reset-object.ts';
import { withDatabase } from '../servers.ts';
import { alignedLines } from '../text-table.ts';

interface ObjectFlags extends ResetFlags {
  readonly document?: boolean;
  readonly reset?: boolean;
}

type Context = CommandContext<ObjectFlags>;

const CLAIMS_SHOWN = 5;
const LETTERS_SHOWN = 5;

export const OBJECT: CommandDefinition<ObjectFlags> = {
  name: 'object',
  summary: 'show everything about one object',
  description:
    'Shows what the database knows of one object, live or deleted: version, epoch, tombstone, claims, sizes, open ' +
    'dead letters, and where its commands go. Asks PostgreSQL itself, so it works without workers.\n\n' +
    '--reset is for an object whose version was set far ahead of time by mistake, so that every new save is superseded. ' +
    'It gives the stored state a version of now, under the lock that every writer takes; type, document and epoch stay. ' +
    'Commands that are still on their way with a version between the new and the old one will be applied. Object nodes ' +
    'that have the object in memory know the old version and will use it again: let them drop the object first, with ' +
    'client.release(id).',
  positional: { syntax: '<id>', meaning: 'id of the object' },
  examples: [
    ['holdfast object user-123', 'version, epoch, claims, partition'],
    ['holdfast object user-123 --reset', 'what would --reset do?'],
    ['holdfast object user-123 --reset --yes', 'do it'],
  ],
  exits: ['badInput', 'unavailable', 'unfinished'],
  shown: { names: ['databaseUrl', 'prefix', 'partitions', 'versionAheadWarnMs'] },
  json: 'choice',
  configure: (command) => {
    command
      .option('--document', 'show the document too')
      .option('--reset', 'give the stored state another version; only says what it would do without --yes')
      .option(
        '--to <version>',
        'with --reset: the new version (default: now, in microseconds)',
        wholeNumber(1),
      )
      .option('--yes', 'with --reset: really do it')
      .option('--force', 'with --reset: even if the old version is not wild, or the new one is');
  },
  run: runObject,
};

/** Everything about one object. */
interface Findings extends ObjectDetails {
  readonly id: string;
  readonly claims: readonly ClaimDetails[];
  readonly claimCount: number;
  /** Open dead letters that name it, the oldest few. */
  readonly letters: readonly ObjectLetter[];
  readonly letterCount: number;
}

async function runObject(context: Context, values: readonly string[]): Promise<ExitCode> {
  const { flags, options } = context;
  const resetFlags = ['to', 'yes', 'force'] as const;
  const stray = resetFlags.find((flag) => flags[flag] !== undefined);
  if (flags.reset !== true && stray !== undefined) {
    throw usageFailure(`--${stray} belongs to --reset`, 'Add --reset, or leave it out');
  }
  const id = checkedId(values[0] ?? '');
  return await withDatabase(options, 'object', async (connection) => {
    const { checkSchema } = await import('../../store/schema-version.ts');
    await checkSchema(connection);
    const findings = await find(connection, id, flags.document === true);
    if (flags.reset === true) return await resetObject(context, connection, id, findings);
    await (context.json ? printJson(context, findings) : print(context, findings));
    return stateOf(findings) === 'unknown' ? EXIT_CODES.badInput : EXIT_CODES.ok;
  });
}

async function find(connection: Connection, id: string, withDocument: boolean): Promise<Findings> {
  const { readObjectDetails } = await import('../../store/object-details.ts');
  const { readNewestClaims } = await import('../../store/newest-claims.ts');
  const { readLettersOfObject } = await import('../../store/letters-of-object.ts');
  const details = await readObjectDetails(connection, id, withDocument);
  const { claims, count } = await readNewestClaims(connection, id, CLAIMS_SHOWN);
  const { letters, count: letterCount } = await readLettersOfObject(connection, id, LETTERS_SHOWN);
  return { id, ...details, claims, claimCount: count, letters, letterCount };
}

/** A tombstone of version 0 keeps the epoch of a claim of something that was never stored. */
function stateOf({ row, tombstone, claimCount }: Findings): 'live' | 'deleted' | 'claimed' | 'unknown' {
  if (row !== undefined) return 'live';
  if (tombstone !== undefined) return tombstone.version === 0 ? 'claimed' : 'deleted';
  return claimCount > 0 ? 'claimed' : 'unknown';
}

/** Where the object's commands go. */
function placeOf(id: string, { partitions, prefix }: Context['options']) {
  const shard = shardOf(id);
  const partition = partitionOfShard(shard, partitions);
  return {
    shard,
    partition,
    partitions,
    lockSlot: lockSlotOf(shard),
    queue: commandsQueue(namesFor(prefix), partitions, partition),
  };
}

async function printJson({ options, output }: Context, findings: Findings): Promise<void> {
  const { row, tombstone, claims, claimCount, letters, letterCount, id } = findings;
  const { document = null, ...fields } = row ?? {};
  const text = JSON.stringify({
    id,
    state: stateOf(findings),
    ...placeOf(id, options),
    row: row === undefined ? null : fields,
    tombstone: tombstone ?? null,
    claimCount,
    claims,
    letterCount,
    letters,
  });
  // Byte for byte: to parse it would round integers beyond 2^53.
  await output.print(document === null ? text : `${text.slice(0, -1)},"document":${document}}`);
}

const STATES = {
  live: 'live',
  deleted: 'deleted; the tombstone refuses older commands',
  claimed: 'claimed, but never stored',
  unknown: 'unknown: never stored, or deleted so long ago that its tombstone was purged',
} as const;

async function print({ options, output }: Context, findings: Findings): Promise<void> {
  const { id, row, tombstone } = findings;
  const { shard, partition, partitions, lockSlot, queue } = placeOf(id, options);
  const rows: [string, string][] = [['state', STATES[stateOf(findings)]]];
  if (row !== undefined) {
    rows.push(
      ['type', row.type],
      ['version', versionText(row.version, options.versionAheadWarnMs)],
      ['epoch', String(row.epoch)],
      ['next rcseq', String(row.nextRcseq)],
      ['created', row.createdAt],
      ['updated', row.updatedAt],
      ['size', `${bytesText(row.textBytes)} as text, ${bytesText(row.storedBytes)} stored`],
    );
  }
  if (tombstone !== undefined) {
    rows.push(
      ['tombstone', `since ${tombstone.changedAt}`],
      ['  version', versionText(tombstone.version, options.versionAheadWarnMs)],
      ['  epoch', String(tombstone.epoch)],
    );
  }
  rows.push(
    ['claims', claimsText(findings)],
    ...findings.claims.map((claim): [string, string] => [
      '',
      `epoch ${claim.epoch} at ${claim.claimedAt} by ${claim.claim}`,
    ]),
    ['dead letters', lettersText(findings)],
    ['shard', `${shard}, lock slot ${lockSlot}`],
    ['partition', `${partition} of ${partitions}, queue ${queue}`],
  );
  await output.print(output.paint('bold', id), ...alignedLines(rows).map((line) => `  ${line}`));
  if (row?.document !== undefined && row.document !== null) await output.print('', row.document);
}

function claimsText({ claims, claimCount }: Findings): string {
  if (claimCount === 0) return 'none remembered';
  return claimCount > claims.length ? `${countText(claimCount)}, the newest:` : String(claimCount);
}

function lettersText({ letters, letterCount }: Findings): string {
  if (letterCount === 0) return 'none open';
  const named = letters.map(({ number, code }) => `#${number} ${code}`).join(', ');
  return letterCount > letters.length
    ? `${countText(letterCount)} open, the oldest: ${named}`
    : `open: ${named}`;
}

function versionText(version: number, aheadWarnMs: number): string {
  const time = versionTime(version);
  if (time === undefined) return version === 0 ? '0' : `${version} (no time)`;
  const now = Date.now();
  const wild = version / 1_000 > now + aheadWarnMs ? '; see --reset' : '';
  return `${version} (${time}, ${versionAge(version, now)}${wild})`;
}
