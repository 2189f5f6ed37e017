/** `holdfast publish`: streams a file of commands or documents of any size to the workers. */
import { once } from 'node:events';
import { identifierFault } from '../../contract/identifier.ts';
import type { CommandContext, CommandDefinition } from '../command-definition.ts';
import { messageOf, usageFailure } from '../command-failure.ts';
import type { ExitCode } from '../exit-code.ts';
import { choice, millisecondsOf, seconds, wholeNumber } from '../flag-values.ts';
import { type Client, openClient, subjectOf } from '../open-client.ts';
import type { Output } from '../output.ts';
import { Progress } from '../progress.ts';
import { IdTemplate } from '../publish/id-template.ts';
import { openInput } from '../publish/open-input.ts';
import { type Publish, PublishRun } from '../publish/publish-run.ts';
import { printSummary, type SummaryFlags } from '../publish/publish-summary.ts';
import { RecordReader } from '../publish/record-reader.ts';
import { ACTION_BYTES_MAX } from '../publish/wire-action.ts';
import { onEndSignal, STOPPING } from '../signals.ts';

interface PublishFlags extends SummaryFlags {
  readonly type?: string;
  readonly id?: string;
  readonly epoch?: number;
  readonly maxErrors?: number;
  readonly timeout: number;
}

type Context = CommandContext<PublishFlags>;

export const PUBLISH: CommandDefinition<PublishFlags> = {
  name: 'publish',
  summary: 'send a file of objects, of any size',
  description:
    'Streams a file to the workers. Two forms are read: the wire form, an action line ' +
    '{"save":{"id":"…","type":"…"}} with its document on the next line or {"delete":{"id":"…"}}; and, with --type and ' +
    '--id, plain documents, one JSON object per line or all in one JSON array: then no line is a command. Documents are ' +
    'sent byte for byte. Where a command has no version, it gets the time in microseconds. Bad lines are named and ' +
    'left out, the others are sent. Ctrl-C stops reading and finishes what was begun.',
  positional: { syntax: '<file>', meaning: 'file to read, or - for standard input' },
  examples: [
    ['holdfast publish commands.ndjson', 'commands in wire form'],
    [
      "holdfast publish cities.json --type City --id 'city-{country}-{name}' --until persisted",
      'a JSON array of plain documents; wait until workers have stored them',
    ],
    [
      'zcat users.ndjson.gz | holdfast publish - --type UserProfile --id username --dry-run',
      'only look for bad lines; nothing is sent',
    ],
  ],
  exits: ['badInput', 'unavailable', 'unfinished'],
  shown: { names: ['amqpUrl', 'prefix', 'partitions', 'documentBytesMax'] },
  json: 'choice',
  configure: (command) => {
    command
      .option('--type <type>', 'type of plain documents')
      .option('--id <template>', 'id of plain documents: the name of a member, or a text with {member} in it')
      .option('--epoch <n>', 'epoch of commands that have none of their own', wholeNumber(0))
      .option(
        '--until <moment>',
        'when a command counts as published: "confirmed" by RabbitMQ, or "persisted" by a worker',
        choice('confirmed', 'persisted'),
        'confirmed',
      )
      .option('--dry-run', 'check everything, send nothing')
      .option(
        '--max-errors <n>',
        'stop after so many bad lines (default: name them and go on)',
        wholeNumber(1),
      )
      .option('--timeout <seconds>', 'longest time that one command may take', seconds(0.1, 86_400), 60);
  },
  run: runPublish,
};

async function runPublish(context: Context, [file = '-']: readonly string[]): Promise<ExitCode> {
  const { flags, options, output } = context;
  const reader = new RecordReader({
    plain: plainForm(flags),
    epoch: flags.epoch ?? 0,
    documentBytesMax: options.documentBytesMax,
  });
  const input = await openInput(file);
  const stopping = new AbortController();
  const client =
    flags.dryRun === true
      ? undefined
      : await openClient(context, ({ id, message, code }) =>
          run.noteFailure(subjectOf(id), `${message} (${code})`),
        );
  const run = new PublishRun({
    input,
    reader,
    output,
    publish: client === undefined ? async () => undefined : publishWith(client, flags),
    // An action line is never longer than its limit either.
    pieceBytesMax: Math.max(options.documentBytesMax, ACTION_BYTES_MAX),
    badMax: flags.maxErrors,
    signal: stopping.signal,
  });
  if (client !== undefined) tellOf(client, output);
  const startedAt = performance.now();
  let abandoned = false;
  try {
    abandoned = await runToEnd(output, run, stopping, input.byteLength);
  } finally {
    // To close waits for what was begun, which is what the second Ctrl-C is meant to end.
    if (!abandoned) await client?.close();
  }
  return await printSummary(context, run, {
    durationMs: performance.now() - startedAt,
    interrupted: stopping.signal.aborted,
  });
}

/** Tells what happens to the connection. */
function tellOf(client: Client, output: Output): void {
  client.on('disconnected', (error) => {
    output.note(`the connection to RabbitMQ is lost, trying again: ${messageOf(error)}`);
  });
  client.on('connected', () => output.note('connected to RabbitMQ again'));
  client.on('blocked', (reason) => output.note(`RabbitMQ takes no messages for now: ${reason}`));
  client.on('unblocked', () => output.note('RabbitMQ takes messages again'));
}

function plainForm({ type, id }: PublishFlags): { type: string; id: IdTemplate } | undefined {
  if (type === undefined && id === undefined) return undefined;
  if (type === undefined || id === undefined) {
    throw usageFailure(
      '--type and --id go together',
      'Say both for plain documents, neither for the wire form',
    );
  }
  const fault = identifierFault(type);
  if (fault !== undefined) throw usageFailure(`--type ${fault}`, 'Give the type of the documents');
  return { type, id: new IdTemplate(id) };
}

function publishWith(client: Client, { until, timeout }: PublishFlags): Publish {
  const options = { until, timeoutMs: millisecondsOf(timeout) };
  return async (record) => {
    const { id, version, epoch, ifVersion } = record;
    const write = { id, version, epoch, ifVersion };
    if (record.kind === 'delete') await client.delete(write, options);
    else {
      const { type, document, nextRcseq } = record;
      await client.save({ ...write, type, document, nextRcseq }, options);
    }
  };
}

/** Runs to the end of the input, or until it is told to stop. Returns whether it was told twice, and did not wait. */
async function runToEnd(
  output: Output,
  run: PublishRun,
  stopping: AbortController,
  bytesTotal: number | undefined,
): Promise<boolean> {
  const { tally } = run;
  const progress = new Progress(output, 'objects', () => ({
    bytes: tally.bytes,
    bytesTotal,
    done: tally.saves + tally.deletes,
    wrong: tally.bad + tally.failed + tally.unknown,
  }));
  const abandoning = new AbortController();
  const removeHandlers = onEndSignal((count) => {
    stopping.abort();
    if (count === 1) output.note(STOPPING);
    else abandoning.abort();
  });
  progress.start();
  try {
    await Promise.race([run.run(), once(abandoning.signal, 'abort')]);
    return abandoning.signal.aborted;
  } finally {
    progress.stop();
    removeHandlers();
  }
}
