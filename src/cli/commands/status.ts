/** `holdfast status`: queues, workers and tables at a glance, once or again and again. */
import { setTimeout as wait } from 'node:timers/promises';
import type { CommandContext, CommandDefinition } from '../command-definition.ts';
import { reportFailure } from '../command-failure.ts';
import { EXIT_CODES, type ExitCode } from '../exit-code.ts';
import { seconds } from '../flag-values.ts';
import { onEndSignal } from '../signals.ts';
import { type Part, readStatus, type Status } from '../status/read-status.ts';
import { renderStatus } from '../status/render-status.ts';

interface StatusFlags {
  readonly watch?: number;
}

export const STATUS: CommandDefinition<StatusFlags> = {
  name: 'status',
  summary: 'show queues, workers and tables at a glance',
  description:
    'Shows what waits in the queues, who consumes, what is in the tables and whether the schema is up to date. What ' +
    'cannot be reached is said, the rest is shown, and the exit code is 69. Counts of rows are estimates. Messages ' +
    'that a worker holds unacknowledged do not count as waiting.',
  examples: [
    ['holdfast status', 'once'],
    ['holdfast status --watch 2', 'again every two seconds, until Ctrl-C'],
    ['holdfast status --json | jq .broker.partitions.waiting', 'for scripts'],
  ],
  exits: ['unavailable'],
  shown: { names: ['amqpUrl', 'databaseUrl', 'prefix', 'partitions', 'connectTimeoutMs'] },
  json: 'choice',
  configure: (command) => {
    command.option('--watch <seconds>', 'show it again and again, so far apart', seconds(0.1, 86_400));
  },
  run: runStatus,
};

async function runStatus(context: CommandContext<StatusFlags>): Promise<ExitCode> {
  const { flags, output } = context;
  if (flags.watch === undefined) return await show(context);
  const stopping = new AbortController();
  const removeHandlers = onEndSignal(() => stopping.abort());
  try {
    let exitCode: ExitCode = EXIT_CODES.ok;
    while (!stopping.signal.aborted && !output.closed) {
      exitCode = await show(context);
      await wait(flags.watch * 1_000, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
    return exitCode;
  } finally {
    removeHandlers();
  }
}

async function show({ options, flags, output, json }: CommandContext<StatusFlags>): Promise<ExitCode> {
  const status = await readStatus(options);
  if (json) await output.printJson(toJson(status));
  else {
    const lines = renderStatus(status, options, (colour, text) => output.paint(colour, text), Date.now());
    if (flags.watch !== undefined) output.clearScreen();
    await output.print(...lines, ...(flags.watch !== undefined && !output.isTerminal ? [''] : []));
  }
  return status.broker.ok && status.store.ok ? EXIT_CODES.ok : EXIT_CODES.unavailable;
}

function toJson({ at, broker, store }: Status): Record<string, unknown> {
  return {
    at,
    broker: partToJson(broker, ({ version, partitions, others, loads, deadLetters, workers }) => ({
      version,
      partitions: {
        count: partitions.partitionCount,
        waiting: partitions.queues.reduce((sum, queue) => sum + (queue?.messages ?? 0), 0),
        queues: partitions.queues.map((queue) => queue ?? null),
      },
      otherPartitionCounts: others.map(({ partitionCount, queues }) => ({
        count: partitionCount,
        waiting: queues.reduce((sum, queue) => sum + (queue?.messages ?? 0), 0),
      })),
      loads: loads ?? null,
      deadLetters: deadLetters ?? null,
      workers: workers.map(({ worker, active }) => ({ name: worker, partitions: active })),
    })),
    store: partToJson(store, ({ version, schema, tables, letters, workers }) => ({
      version,
      schema,
      tables,
      deadLetters: letters ?? null,
      workers,
    })),
  };
}

function partToJson<T>(part: Part<T>, toValue: (value: T) => object): object {
  return part.ok
    ? { reachable: true, ...toValue(part.value) }
    : { reachable: false, error: reportFailure(part.error).line };
}
