/** `holdfast dead-letters replay`: sends what failed once more, and closes what is then done with. */
import { once } from 'node:events';
import { loadTypes } from '../../../config/load-types.ts';
import { namesFor } from '../../../contract/names.ts';
import type { ReplayLink } from '../../../dead-letters/replay-link.ts';
import type { ReplayOptions, ReplayOutcome, ReplayRun } from '../../../dead-letters/replay-run.ts';
import type { Connection } from '../../../store/connection.ts';
import type { CommandContext, CommandDefinition } from '../../command-definition.ts';
import { CommandFailure, usageFailure } from '../../command-failure.ts';
import { editAndReplay } from '../../dead-letters/edit-letter.ts';
import { addLetterFlags, type LetterFlags, namedFilter } from '../../dead-letters/letter-flags.ts';
import { forecastText, replayText } from '../../dead-letters/outcome-text.ts';
import { whoRuns, withLetters, withLettersAlone } from '../../dead-letters/with-letters.ts';
import { EXIT_CODES, type ExitCode } from '../../exit-code.ts';
import { seconds, wholeNumber } from '../../flag-values.ts';
import { countText, durationText, plural, rateText } from '../../number-text.ts';
import { Progress } from '../../progress.ts';
import { brokerFault } from '../../server-fault.ts';
import { onEndSignal } from '../../signals.ts';

export interface ReplayFlags extends LetterFlags {
  readonly limit?: number;
  readonly rate?: number;
  readonly dryRun?: boolean;
  readonly edit?: boolean;
  readonly force?: boolean;
  readonly timeout: number;
}

type Context = CommandContext<ReplayFlags>;

const DESCRIPTION =
  'Publishes the commands of open letters again, the oldest first, and closes a letter when a worker has answered that ' +
  'its commands are stored, or that something newer is. Nothing newer is ever overwritten: the same guard decides as for ' +
  'every command. Rejected again, a letter is closed too, and there is a new one. Fenced or in conflict, it stays open. ' +
  'What is still invalid is left out, as is what is older than tombstones are kept (--force sends that). Safe to ' +
  'interrupt and to run again: Ctrl-C finishes what was sent.';

export const REPLAY_LETTERS: CommandDefinition<ReplayFlags> = {
  name: 'replay',
  summary: 'send letters again',
  description: DESCRIPTION,
  positional: {
    syntax: '[letter...]',
    meaning: 'numbers or ids of letters (default: all that the filters mean)',
  },
  examples: [
    ['holdfast dead-letters replay --dry-run', 'what would a replay of everything do?'],
    [
      'holdfast dead-letters replay --code SCHEMA_VIOLATION --type User --limit 50',
      'fifty first, after the schema was relaxed',
    ],
    [
      'holdfast dead-letters replay --code UNSTORABLE --rate 200',
      '200 a second, the rest of the load goes on',
    ],
    ['holdfast dead-letters replay 17 --edit', 'change one in $EDITOR and send that instead'],
  ],
  exits: ['badInput', 'unavailable', 'unfinished'],
  shown: {
    names: [
      'amqpUrl',
      'databaseUrl',
      'prefix',
      'partitions',
      'documentBytesMax',
      'types',
      'tombstoneRetentionMs',
    ],
  },
  json: 'choice',
  configure: (command) => {
    addLetterFlags(command);
    command
      .option('--limit <n>', 'send at most so many', wholeNumber(1))
      .option('--rate <n>', 'send at most so many a second', wholeNumber(1, 1_000_000))
      .option('--dry-run', 'say what would become of them; send nothing')
      .option('--edit', 'open one letter in $VISUAL or $EDITOR, and send what it is then')
      .option(
        '--force',
        'also send what is older than tombstones are kept; it may bring back a deleted object',
      )
      .option(
        '--timeout <seconds>',
        'give up when no worker has answered for so long',
        seconds(0.1, 86_400),
        60,
      );
  },
  run: runReplay,
};

async function runReplay(context: Context, names: readonly string[]): Promise<ExitCode> {
  const { flags, options } = context;
  if (flags.edit === true) {
    const stray = (['dryRun', 'limit', 'rate'] as const).find((flag) => flags[flag] !== undefined);
    if (stray !== undefined || names.length !== 1) {
      throw usageFailure(
        '--edit takes one letter',
        'Give its number, and neither --dry-run, --limit nor --rate',
      );
    }
    return await editAndReplay(context, names[0] ?? '', openLink);
  }
  if (flags.dryRun === true) {
    return await withLetters(options, 'dead-letters', (connection) => forecast(context, connection, names));
  }
  return await withLettersAlone(options, 'replay', (connection) => replay(context, connection, names));
}

async function runOf(
  { flags, options }: Context,
  connection: Connection,
  names: readonly string[],
  signal: AbortSignal,
): Promise<ReplayRun> {
  const { ReplayRun: Run } = await import('../../../dead-letters/replay-run.ts');
  const filter = await namedFilter(connection, flags, names);
  const replayOptions: ReplayOptions = {
    filter,
    limit: flags.limit,
    rate: flags.rate,
    force: flags.force,
    partitions: options.partitions,
    documentBytesMax: options.documentBytesMax,
    schemas: await loadTypes(options.types),
    tombstoneRetentionMs: options.tombstoneRetentionMs,
    signal,
    audit: {
      who: whoRuns(),
      filter: { ...filter, limit: flags.limit, rate: flags.rate, force: flags.force },
    },
  };
  return new Run(connection, replayOptions);
}

async function forecast(
  context: Context,
  connection: Connection,
  names: readonly string[],
): Promise<ExitCode> {
  const { output, json } = context;
  const stopping = new AbortController();
  const run = await runOf(context, connection, names, stopping.signal);
  const progress = progressOf(context, run);
  const removeHandlers = onEndSignal(() => stopping.abort());
  progress.start();
  try {
    await run.forecast();
  } finally {
    progress.stop();
    removeHandlers();
  }
  if (json) await output.printJson({ dryRun: true, letters: run.done, ...run.tally });
  else if (run.done === 0) await output.print('no open letter is meant');
  else await output.print(forecastText(run.tally));
  return stopping.signal.aborted ? EXIT_CODES.unfinished : EXIT_CODES.ok;
}

async function replay(context: Context, connection: Connection, names: readonly string[]): Promise<ExitCode> {
  const stopping = new AbortController();
  const run = await runOf(context, connection, names, stopping.signal);
  const link = await openLink(context);
  const startedAt = performance.now();
  let failure: Error | undefined;
  try {
    await runToEnd(context, run, link, stopping);
  } catch (error) {
    failure = error instanceof Error ? error : new Error(String(error));
  } finally {
    await link.close();
  }
  await printSummary(context, run, performance.now() - startedAt);
  if (failure !== undefined) throw failure;
  if (stopping.signal.aborted) {
    context.output.note('holdfast: stopped; what was not sent stays open, run it again to go on');
    return EXIT_CODES.unfinished;
  }
  return allDone(run.tally) ? EXIT_CODES.ok : EXIT_CODES.badInput;
}

function allDone(tally: Readonly<Record<ReplayOutcome, number>>): boolean {
  return Object.entries(tally).every(
    ([outcome, count]) => count === 0 || outcome === 'applied' || outcome === 'superseded',
  );
}

/** Connects to the workers. @throws CommandFailure that says why RabbitMQ cannot be reached. */
async function openLink({ flags, options }: Context): Promise<ReplayLink> {
  const { ReplayLink: Link } = await import('../../../dead-letters/replay-link.ts');
  const { BrokerError } = await import('../../../broker/broker-error.ts');
  try {
    return await Link.open({
      ...options,
      names: namesFor(options.prefix),
      replyTimeoutMs: flags.timeout * 1_000,
    });
  } catch (error) {
    throw error instanceof BrokerError ? brokerFault(error, options.amqpUrl) : error;
  }
}

/** Runs until it is done, or told to stop; told twice it does not wait for answers. */
async function runToEnd(
  context: Context,
  run: ReplayRun,
  link: ReplayLink,
  stopping: AbortController,
): Promise<void> {
  const { output } = context;
  const abandoning = new AbortController();
  const removeHandlers = onEndSignal((count) => {
    stopping.abort();
    if (count === 1) output.note('stopping: what was sent is waited for; again to leave at once');
    else abandoning.abort();
  });
  const progress = progressOf(context, run);
  progress.start();
  try {
    await Promise.race([run.replay(link), once(abandoning.signal, 'abort')]);
    if (abandoning.signal.aborted) {
      throw new CommandFailure(
        EXIT_CODES.unfinished,
        'left before all answers had come; the letters without one stay open',
        'Run it again: what was applied meanwhile is applied once more, to the same effect',
      );
    }
  } finally {
    progress.stop();
    removeHandlers();
  }
}

function progressOf({ output, flags }: Context, run: ReplayRun): Progress {
  return new Progress(output, 'letters', () => ({
    // A share of the letters, which the progress line takes for bytes.
    bytes: run.done,
    bytesTotal: flags.limit === undefined ? run.total : Math.min(flags.limit, run.total),
    done: run.done,
    wrong: run.tally.rejected + run.tally.fenced + run.tally.conflict + run.tally.invalid,
  }));
}

async function printSummary({ output, json }: Context, run: ReplayRun, durationMs: number): Promise<void> {
  if (json) {
    await output.printJson({
      letters: run.done,
      of: run.total,
      ...run.tally,
      durationMs: Math.round(durationMs),
    });
    return;
  }
  if (run.done === 0) await output.print('no letter was sent');
  else {
    await output.print(
      `${plural(run.done, 'letter')} of ${countText(run.total)} in ${durationText(durationMs)} (${rateText(run.done, durationMs)})`,
      replayText(run.tally),
    );
  }
}
