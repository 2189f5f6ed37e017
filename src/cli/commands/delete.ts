/** `holdfast delete`: deletes objects, and says of each what became of it. */
import type { WriteResult } from '../../client/results.ts';
import { HoldfastError } from '../../contract/errors.ts';
import type { CommandContext, CommandDefinition } from '../command-definition.ts';
import { commandFaultText, isGeneral } from '../command-failure.ts';
import { EXIT_CODES, type ExitCode } from '../exit-code.ts';
import { choice, millisecondsOf, seconds, wholeNumber } from '../flag-values.ts';
import { objectIds } from '../object-ids.ts';
import { type Client, withClient } from '../open-client.ts';
import { abortAtSignal, STOPPING } from '../signals.ts';

interface DeleteFlags {
  readonly version?: number;
  readonly ifVersion?: number;
  readonly epoch?: number;
  readonly until: 'confirmed' | 'persisted';
  readonly timeout: number;
}

type Context = CommandContext<DeleteFlags>;

export const DELETE: CommandDefinition<DeleteFlags> = {
  name: 'delete',
  summary: 'delete objects',
  description:
    'Deletes objects through the workers, and prints what became of each. An object stays deleted: its version and ' +
    'epoch are kept, so that older saves cannot bring it back. An object that is not there is deleted all the same. ' +
    'The version is the time in microseconds unless --version says another; a newer state is not deleted. Ctrl-C stops ' +
    'reading and finishes what was begun.',
  positional: {
    syntax: '[id...]',
    meaning: 'ids of objects; - reads them from standard input, one per line',
  },
  examples: [
    ['holdfast delete user-123 user-124', 'two objects'],
    ['holdfast delete user-123 --if-version 1763894400000001', 'only if nobody wrote it since'],
    ['holdfast list Session --all | holdfast delete -', 'every object of a type'],
  ],
  exits: ['badInput', 'unavailable', 'unfinished'],
  shown: { names: ['amqpUrl', 'prefix', 'partitions'] },
  json: 'choice',
  configure: (command) => {
    command
      .option('--version <n>', 'version of the delete (default: the time in microseconds)', wholeNumber(1))
      .option('--if-version <n>', 'delete only what has exactly this version', wholeNumber(0))
      .option('--epoch <n>', 'epoch to delete under, if the object was claimed', wholeNumber(0))
      .option(
        '--until <moment>',
        'when a delete counts as done: "confirmed" by RabbitMQ, or "persisted" by a worker',
        choice('confirmed', 'persisted'),
        'persisted',
      )
      .option('--timeout <seconds>', 'longest wait for the answer of a worker', seconds(0.1, 3_600), 30);
  },
  run: runDelete,
};

async function runDelete(context: Context, values: readonly string[]): Promise<ExitCode> {
  const stopping = new AbortController();
  const { signal } = stopping;
  const ids = objectIds(values, signal);
  let failed = 0;
  let batch = await ids.next();
  return await withClient(context, async (client) => {
    const removeHandlers = abortAtSignal(stopping, () => context.output.note(STOPPING));
    try {
      while (batch.done !== true && !signal.aborted) {
        failed += await deleteBatch(context, client, batch.value);
        if (!signal.aborted) batch = await ids.next();
      }
    } finally {
      removeHandlers();
    }
    if (signal.aborted) return EXIT_CODES.unfinished;
    return failed > 0 ? EXIT_CODES.badInput : EXIT_CODES.ok;
  });
}

/** Returns how many were not deleted. @throws what would fail for every id. */
async function deleteBatch(
  { flags, output, json }: Context,
  client: Client,
  ids: readonly string[],
): Promise<number> {
  const { version, ifVersion, epoch, until, timeout } = flags;
  const settled = await Promise.allSettled(
    ids.map((id) =>
      client.delete({ id, version, ifVersion, epoch }, { until, timeoutMs: millisecondsOf(timeout) }),
    ),
  );
  const general = settled.find((each) => each.status === 'rejected' && isGeneral(each.reason));
  let failed = 0;
  for (const [index, each] of settled.entries()) {
    const id = ids[index] ?? '';
    if (each.status === 'fulfilled') {
      await output.print(json ? JSON.stringify(each.value) : deletedText(each.value));
    } else if (!isGeneral(each.reason)) {
      failed += 1;
      if (!(each.reason instanceof HoldfastError)) throw each.reason;
      const { code } = each.reason;
      output.note(`${JSON.stringify(id)}: not deleted: ${commandFaultText(each.reason)}`);
      if (json) await output.printJson({ id, outcome: 'failed', code });
    }
  }
  if (general?.status === 'rejected') throw general.reason;
  return failed;
}

function deletedText({ id, version, outcome }: WriteResult): string {
  if (outcome === 'confirmed') return `${id}: delete confirmed by RabbitMQ, version ${version}`;
  return outcome === 'applied'
    ? `${id}: deleted, version ${version}`
    : `${id}: not deleted, a newer state is stored`;
}
