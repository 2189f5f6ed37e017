/** `holdfast dead-letters list`: what waits to be decided, in groups or one by one; and who decided what. */
import { namesFor } from '../../../contract/names.ts';
import type { Connection } from '../../../store/connection.ts';
import type { LetterGroup } from '../../../store/group-letters.ts';
import type { LetterFilter } from '../../../store/letter-filter.ts';
import type { StoredLetter } from '../../../store/stored-letter.ts';
import type { CommandContext, CommandDefinition } from '../../command-definition.ts';
import { reportFailure, usageFailure } from '../../command-failure.ts';
import { harmless } from '../../dead-letters/body-text.ts';
import { addLetterFlags, filterOf, isNarrow, type LetterFlags } from '../../dead-letters/letter-flags.ts';
import { withLetters } from '../../dead-letters/with-letters.ts';
import { EXIT_CODES, type ExitCode } from '../../exit-code.ts';
import { wholeNumber } from '../../flag-values.ts';
import { countText, durationText, plural } from '../../number-text.ts';
import { withBroker } from '../../servers.ts';
import { alignedLines } from '../../text-table.ts';

interface ListFlags extends LetterFlags {
  readonly each?: boolean;
  readonly behind?: number;
  readonly limit: number;
  readonly all?: boolean;
  readonly audit?: boolean;
}

type Context = CommandContext<ListFlags>;

/** Letters asked for at once. */
const PAGE_LETTERS = 1_000;
/** Of the reason; show tells all of it. */
const MESSAGE_CHARACTERS = 160;

export const LIST_LETTERS: CommandDefinition<ListFlags> = {
  name: 'list',
  summary: 'show what waits, in groups or one by one',
  description:
    'Shows the dead letters that wait to be decided, grouped by code and type, with --each one by one, the oldest ' +
    'first. To look changes nothing: no letter is taken, moved or put back. Letters that wait in the queue for the ' +
    'database are counted. With --audit it shows who replayed, edited and dropped what.',
  examples: [
    ['holdfast dead-letters list', 'in groups'],
    [
      'holdfast dead-letters list --each --code SCHEMA_VIOLATION --after 2h',
      'one by one, of the last two hours',
    ],
    ['holdfast dead-letters list --each --all --json > letters.ndjson', 'one line of JSON for each'],
    ['holdfast dead-letters list --audit', 'who did what'],
  ],
  exits: ['unavailable', 'outputFailed'],
  shown: { names: ['amqpUrl', 'databaseUrl', 'prefix'] },
  json: 'choice',
  configure: (command) => {
    addLetterFlags(command);
    command
      .option('--each', 'one by one, the oldest first')
      .option('--limit <n>', 'with --each or --audit: print at most so many', wholeNumber(1), 100)
      .option('--all', 'with --each: print all, however many there are')
      .option('--behind <number>', 'with --each: begin behind this letter', wholeNumber(1))
      .option('--audit', 'show who replayed, edited and dropped what, the latest first');
  },
  run: runList,
};

async function runList(context: Context): Promise<ExitCode> {
  const { flags, options } = context;
  if (flags.each !== true && (flags.behind !== undefined || flags.all === true)) {
    throw usageFailure('--behind and --all belong to --each', 'Add --each, or leave them out');
  }
  if (flags.audit === true) return await withLetters(options, 'dead-letters', (db) => listAudit(context, db));
  const filter = filterOf(flags);
  if (flags.each === true) {
    try {
      return await withLetters(options, 'dead-letters', (db) => listEach(context, db, filter));
    } catch (error) {
      return await tellQueue(context, error, await countInQueue(context).catch(() => undefined));
    }
  }
  return await listGroups(context, filter);
}

async function listGroups(context: Context, filter: LetterFilter): Promise<ExitCode> {
  const { options, output, json } = context;
  const { groupLetters } = await import('../../../store/group-letters.ts');
  const [table, queue] = await Promise.allSettled([
    withLetters(options, 'dead-letters', (connection) => groupLetters(connection, filter)),
    countInQueue(context),
  ]);
  const inQueue = queue.status === 'fulfilled' ? queue.value : undefined;
  if (table.status === 'rejected') {
    return await tellQueue(context, table.reason, inQueue);
  }
  const { groups, open } = table.value;
  if (queue.status === 'rejected') output.note(`holdfast: ${reportFailure(queue.reason).line}`);
  if (json) await output.printJson({ open, inQueue: inQueue ?? null, groups });
  else {
    const text = open === 0 ? 'no letter waits' : plural(open, 'letter waits', 'letters wait');
    const more = inQueue === undefined || inQueue === 0 ? '' : `; ${countText(inQueue)} in the queue`;
    await output.print(`${text} to be decided${isNarrow(filter) ? ' of those asked for' : ''}${more}`);
    await output.print(...groupLines(groups, Date.now()));
  }
  return queue.status === 'rejected' ? EXIT_CODES.unavailable : EXIT_CODES.ok;
}

/** The table cannot be read: says why, and how many letters wait in the queue as far as that is known. */
async function tellQueue(
  { output, json }: Context,
  error: unknown,
  inQueue: number | undefined,
): Promise<ExitCode> {
  const { line, exitCode } = reportFailure(error);
  if (exitCode === EXIT_CODES.bug || exitCode === EXIT_CODES.usage) throw error;
  if (json) await output.printJson({ open: null, inQueue: inQueue ?? null, error: line });
  else if (inQueue !== undefined) {
    await output.print(`${plural(inQueue, 'letter waits', 'letters wait')} in the queue`);
  }
  output.note(`holdfast: ${line}`);
  return exitCode;
}

async function countInQueue({ options }: Context): Promise<number> {
  const { readQueue } = await import('../../../broker/topology.ts');
  return await withBroker(options, 'dead-letters', async ({ model }) => {
    const state = await readQueue(model, namesFor(options.prefix).deadLetters);
    return state?.messages ?? 0;
  });
}

function groupLines(groups: readonly LetterGroup[], nowMs: number): string[] {
  if (groups.length === 0) return [];
  const age = (time: string): string => durationText(nowMs - Date.parse(time));
  const rows = groups.map(({ code, type, count, oldestFailedAt, newestFailedAt }) => [
    code,
    harmless(type ?? '-'),
    countText(count),
    age(oldestFailedAt),
    age(newestFailedAt),
  ]);
  return alignedLines([['CODE', 'TYPE', 'LETTERS', 'OLDEST', 'NEWEST'], ...rows], [2, 3, 4]);
}

async function listEach(context: Context, connection: Connection, filter: LetterFilter): Promise<ExitCode> {
  const { flags, output, json } = context;
  const { pageLetters } = await import('../../../store/page-letters.ts');
  let left = flags.all === true ? Number.POSITIVE_INFINITY : flags.limit;
  let behind = flags.behind === undefined ? undefined : await positionOf(connection, flags.behind);
  for (;;) {
    const limit = Math.min(left, PAGE_LETTERS);
    const letters = await pageLetters(connection, filter, behind, limit);
    await output.print(
      ...(json ? letters.map((letter) => JSON.stringify(letter)) : letterLines(letters, Date.now())),
    );
    left -= letters.length;
    behind = letters.at(-1) ?? behind;
    if (letters.length < limit || output.closed) return EXIT_CODES.ok;
    if (left > 0) continue;
    output.note(`holdfast: there may be more; go on with --behind ${behind?.number}, or take --all`);
    return EXIT_CODES.ok;
  }
}

async function positionOf(connection: Connection, number: number): Promise<StoredLetter> {
  const { findLetter } = await import('../../../store/find-letter.ts');
  const letter = await findLetter(connection, { number });
  if (letter === undefined)
    throw usageFailure(`there is no letter ${number}`, 'Give the number of the last one that was printed');
  return letter;
}

function letterLines(letters: readonly StoredLetter[], nowMs: number): string[] {
  return alignedLines(
    letters.map(({ number, failedAt, code, objectType, objectId, version, message, replayOutcome }) => [
      `#${number}`,
      durationText(nowMs - Date.parse(failedAt)),
      code,
      harmless(objectType ?? '-'),
      harmless(objectId ?? '-'),
      String(version ?? '-'),
      harmless((message ?? '').slice(0, MESSAGE_CHARACTERS)) +
        (replayOutcome === null ? '' : ` [tried: ${replayOutcome}]`),
    ]),
    [0, 1, 5],
  );
}

async function listAudit({ flags, output, json }: Context, connection: Connection): Promise<ExitCode> {
  const { listAudit: read } = await import('../../../store/list-audit.ts');
  const records = await read(connection, flags.limit);
  if (json) {
    await output.print(...records.map((record) => JSON.stringify(record)));
    return EXIT_CODES.ok;
  }
  if (records.length === 0) await output.print('nobody has replayed, edited or dropped anything yet');
  const rows = records.map(({ startedAt, finishedAt, who, action, filter, counts }) => [
    startedAt,
    harmless(who),
    action,
    finishedAt === null ? 'not finished' : durationText(Date.parse(finishedAt) - Date.parse(startedAt)),
    entriesText(counts) || 'nothing',
    harmless(entriesText(filter) || 'all letters'),
  ]);
  await output.print(...alignedLines(rows));
  return EXIT_CODES.ok;
}

/** `applied 12, rejected 1`. */
function entriesText(values: Readonly<Record<string, unknown>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name} ${Array.isArray(value) ? value.join(' | ') : String(value)}`)
    .join(', ');
}
