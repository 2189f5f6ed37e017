/** `holdfast load`: prints objects, as workers answer them. */
import type { LoadResult } from '../../client/results.ts';
import { HoldfastError } from '../../contract/errors.ts';
import type { CommandContext, CommandDefinition } from '../command-definition.ts';
import { commandFaultText, isGeneral } from '../command-failure.ts';
import { EXIT_CODES, type ExitCode } from '../exit-code.ts';
import { millisecondsOf, seconds } from '../flag-values.ts';
import { plural } from '../number-text.ts';
import { objectIds } from '../object-ids.ts';
import { objectLine } from '../object-line.ts';
import { type Client, withClient } from '../open-client.ts';
import { abortAtSignal, STOPPING } from '../signals.ts';

interface LoadFlags {
  readonly committed?: boolean;
  readonly document: boolean;
  readonly timeout: number;
}

type Context = CommandContext<LoadFlags>;

export const LOAD: CommandDefinition<LoadFlags> = {
  name: 'load',
  summary: 'print objects',
  description:
    'Loads objects through the workers and prints one line of JSON for each, in order: id, found, type, version, ' +
    'epoch and document, the document byte for byte as PostgreSQL has it. A load sees every save that was confirmed ' +
    'before it; with --committed it is answered at once with what is committed. If any object is absent, its line ' +
    'says "found":false and the exit code is 65.',
  positional: {
    syntax: '[id...]',
    meaning: 'ids of objects; - reads them from standard input, one per line',
  },
  examples: [
    ['holdfast load user-123 ChatRoom-General', 'two objects'],
    [
      'holdfast list ChatRoom --all | holdfast load - > rooms.ndjson',
      'every object of a type, with documents',
    ],
  ],
  exits: ['badInput', 'unavailable', 'outputFailed', 'unfinished'],
  shown: { names: ['amqpUrl', 'prefix', 'partitions'] },
  json: 'always',
  configure: (command) => {
    command
      .option('--committed', 'do not wait for saves that are on their way')
      .option('--no-document', 'leave the document out')
      .option('--timeout <seconds>', 'longest wait for the answer of a worker', seconds(0.1, 3_600), 30);
  },
  run: runLoad,
};

async function runLoad(context: Context, values: readonly string[]): Promise<ExitCode> {
  const { output } = context;
  const stopping = new AbortController();
  const { signal } = stopping;
  const ids = objectIds(values, signal);
  let absent = 0;
  let failed = 0;
  // The first batch is read before connecting: a wrong id is then told at once.
  let batch = await ids.next();
  return await withClient(context, async (client) => {
    const removeHandlers = abortAtSignal(stopping, () => output.note(STOPPING));
    try {
      while (batch.done !== true && !output.closed && !signal.aborted) {
        const results = await loadBatch(context, client, batch.value);
        await output.print(...results.filter((result) => result !== undefined).map(objectLine));
        absent += results.filter((result) => result?.found === false).length;
        failed += results.filter((result) => result === undefined).length;
        if (!signal.aborted) batch = await ids.next();
      }
    } finally {
      removeHandlers();
    }
    if (absent > 0) output.note(`holdfast: ${plural(absent, 'object is', 'objects are')} absent`);
    if (signal.aborted) return EXIT_CODES.unfinished;
    return absent + failed > 0 ? EXIT_CODES.badInput : EXIT_CODES.ok;
  });
}

/** One result for each id; `undefined` where the load failed, which is told. @throws what would fail for every id. */
async function loadBatch(
  { flags, output }: Context,
  client: Client,
  ids: readonly string[],
): Promise<readonly (LoadResult | undefined)[]> {
  const { PartialFailureError } = await import('../../client/client-error.ts');
  try {
    return await client.loadMany(ids, {
      consistency: flags.committed === true ? 'committed' : 'ordered',
      document: flags.document,
      timeoutMs: millisecondsOf(flags.timeout),
    });
  } catch (error) {
    if (!(error instanceof PartialFailureError)) throw error;
    const general = error.errors.find(isGeneral);
    if (general !== undefined) throw general;
    for (const [index, fault] of error.errors.entries()) {
      if (fault instanceof HoldfastError) {
        output.note(`${JSON.stringify(ids[index])}: not loaded: ${commandFaultText(fault)}`);
      }
    }
    return error.results as readonly (LoadResult | undefined)[];
  }
}
