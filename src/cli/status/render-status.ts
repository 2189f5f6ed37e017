/** The picture that `holdfast status` draws. Pure: from what was read to lines of text. */
import type { PartitionQueues } from '../../broker/installed-queues.ts';
import type { QueueState } from '../../broker/topology.ts';
import type { Options } from '../../config/options.ts';
import { redactUrl } from '../../telemetry/redact-url.ts';
import { reportFailure } from '../command-failure.ts';
import { bytesText, countText, durationText, plural } from '../number-text.ts';
import type { Colour } from '../output.ts';
import { alignedLines } from '../text-table.ts';
import type { WorkerPartitions } from './ask-workers.ts';
import type { BrokerStatus, Part, Status, StoreStatus } from './read-status.ts';

export type Paint = (colour: Colour, text: string) => string;

/** The whole picture. */
export function renderStatus(status: Status, options: Options, paint: Paint, nowMs: number): string[] {
  return [
    `${paint('bold', options.prefix)}  ${status.at}`,
    '',
    ...renderPart('RabbitMQ', options.amqpUrl, status.broker, paint, (broker) => brokerLines(broker, paint)),
    '',
    ...renderPart('PostgreSQL', options.databaseUrl, status.store, paint, (store) =>
      storeLines(store, paint, nowMs),
    ),
  ];
}

function renderPart<T extends { readonly version: string }>(
  name: string,
  url: string,
  part: Part<T>,
  paint: Paint,
  lines: (value: T) => string[],
): string[] {
  if (!part.ok) {
    const { line } = reportFailure(part.error);
    return [line.startsWith(name) ? paint('red', line) : `${paint('bold', name)}  ${paint('red', line)}`];
  }
  const { value, durationMs } = part;
  const where = paint('dim', `${redactUrl(url)}, ${Math.round(durationMs)} ms`);
  return [`${paint('bold', name)} ${value.version}  ${where}`, ...lines(value).map((line) => `  ${line}`)];
}

function brokerLines(
  { partitions, others, loads, deadLetters, workers }: BrokerStatus,
  paint: Paint,
): string[] {
  return alignedLines([
    ['partitions', partitionsText(partitions, paint)],
    ...waitingLines(partitions).map((line, index) => [index === 0 ? '  waiting' : '', line]),
    ['workers', consumersText(partitions, loads, paint)],
    ...ownerLines(partitions, workers).map((line, index) => [index === 0 ? '  partitions of' : '', line]),
    ['loads', queueText(loads, 'request waits', 'requests wait', paint)],
    ['dead letters', queueText(deadLetters, 'waits in the queue', 'wait in the queue', paint)],
    ...others.map((other) => ['also there', partitionsText(other, paint)]),
  ]);
}

function partitionsText({ partitionCount, queues }: PartitionQueues, paint: Paint): string {
  const missing = queues.filter((queue) => queue === undefined).length;
  if (missing === partitionCount) {
    return paint('red', `${partitionCount}, none declared; run holdfast topology`);
  }
  const waiting = queues.reduce((sum, queue) => sum + (queue?.messages ?? 0), 0);
  const lacking = missing === 0 ? '' : paint('red', `, ${missing} not declared; run holdfast topology`);
  return `${partitionCount}, ${plural(waiting, 'message waits', 'messages wait')}${lacking}`;
}

function queueText(queue: QueueState | undefined, singular: string, several: string, paint: Paint): string {
  if (queue === undefined) return paint('red', 'not declared; run holdfast topology');
  const text = queue.messages === 0 ? 'none' : plural(queue.messages, singular, several);
  return queue.messages === 0 ? text : paint('yellow', text);
}

/** Partitions side by side. */
const PARTITIONS_PER_LINE = 8;

/** What waits in each partition; nothing if nothing does. */
function waitingLines({ queues }: PartitionQueues): string[] {
  const counts = queues.map((queue) => queue?.messages ?? 0);
  if (counts.every((count) => count === 0)) return [];
  const cells = alignedLines(
    counts.map((count, partition) => [`${partition}:`, countText(count)]),
    [0, 1],
    ' ',
  );
  const lines: string[] = [];
  for (let from = 0; from < cells.length; from += PARTITIONS_PER_LINE) {
    lines.push(cells.slice(from, from + PARTITIONS_PER_LINE).join('   '));
  }
  return lines;
}

/**
 * Every worker subscribes to every queue. Those of the loads queue are counted: of a queue with a single active consumer
 * RabbitMQ counts only that one (seen on 3.10), so there it only tells whether there is any.
 */
function consumersText({ queues }: PartitionQueues, loads: QueueState | undefined, paint: Paint): string {
  const workers = loads?.consumers ?? 0;
  const without = queues.flatMap((queue, partition) => ((queue?.consumers ?? 0) === 0 ? [partition] : []));
  if (workers === 0 && without.length === queues.length) return paint('red', 'none consumes');
  const text = plural(workers, 'worker consumes', 'workers consume');
  return without.length === 0
    ? text
    : `${text}, ${paint('yellow', `but none partition ${without.join(', ')}`)}`;
}

/** Which partitions deliver to whom, as far as workers said; an idle one may not be known to be anybody's. */
function ownerLines({ partitionCount }: PartitionQueues, workers: readonly WorkerPartitions[]): string[] {
  const prefix = `${partitionCount}.`;
  return workers.map(({ worker, active }) => {
    const own = active
      .filter((name) => name.startsWith(prefix))
      .map((name) => Number(name.slice(prefix.length)));
    return `${worker}: ${own.length === 0 ? 'none known' : own.toSorted((a, b) => a - b).join(', ')}`;
  });
}

function storeLines(
  { schema, tables, letters, workers }: StoreStatus,
  paint: Paint,
  nowMs: number,
): string[] {
  const rows: string[][] = [
    ['schema', schemaText(schema, paint)],
    ...tables.map(({ table, rows: count, bytes }) => [
      table,
      `about ${plural(count, 'row')}, ${bytesText(bytes)}`,
    ]),
    [
      'workers',
      workers.length === 0
        ? 'none connected'
        : workers.map(({ name, sessions }) => `${name} (${plural(sessions, 'session')})`).join(', '),
    ],
  ];
  if (letters !== undefined) {
    const oldest =
      letters.oldestFailedAt === undefined
        ? ''
        : `, the oldest for ${durationText(nowMs - Date.parse(letters.oldestFailedAt))}`;
    const text =
      letters.count === 0 ? 'none' : `${plural(letters.count, 'waits', 'wait')} to be decided${oldest}`;
    rows.push(['dead letters', letters.count === 0 ? text : paint('yellow', text)]);
  }
  return alignedLines(rows);
}

function schemaText({ applied, missing, unknown }: StoreStatus['schema'], paint: Paint): string {
  if (missing.length > 0) {
    return paint('red', `${plural(missing.length, 'migration')} missing; run holdfast migrate`);
  }
  if (unknown.length > 0) {
    return paint('yellow', `made by a newer version: migrations ${unknown.join(', ')} are unknown`);
  }
  return `up to date, ${plural(applied, 'migration')}`;
}
