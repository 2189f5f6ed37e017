/**
 * Every metric of Holdfast: name, type, unit, labels and meaning. Registry and documentation are made from this. Label
 * values are closed sets or partition numbers, never an object's id or type, so the number of series is bounded.
 */
import { REJECT_CODES } from '../contract/errors.ts';
import { OUTCOMES } from '../contract/reply.ts';

/** How a batch was written: by a multi-row upsert or by COPY and merge. */
const WRITE_PATHS = ['rows', 'copy'] as const;
export type WritePath = (typeof WRITE_PATHS)[number];

const LOAD_KINDS = ['ordered', 'committed', 'list'] as const;
export type LoadKind = (typeof LOAD_KINDS)[number];

/** Why a write is tried again: it may succeed at once, only after somebody acts, or when a lock is free. */
const RETRY_CLASSES = ['transient', 'systemic', 'contended'] as const;
export type RetryClass = (typeof RETRY_CLASSES)[number];

export interface MetricDefinition {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly unit: string;
  /** The values of each label; a text describes values that are not a closed set. */
  readonly labels: Readonly<Record<string, readonly string[] | string>>;
  readonly help: string;
  /** Upper bounds; histograms only. */
  readonly buckets?: readonly number[];
}

/** From a single row on a fast disk to the statement timeout of a minute. */
const SECONDS_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Powers of four, from a lone command to beyond the default limit of 8,192 per batch. */
const COUNT_BUCKETS = [1, 4, 16, 64, 256, 1_024, 4_096, 16_384];

export const METRICS = {
  commands: {
    name: 'holdfast_commands_total',
    type: 'counter',
    unit: 'commands',
    labels: { outcome: OUTCOMES },
    help: 'Commands that ended, by outcome; each command ends in exactly one.',
  },
  commandsInFlight: {
    name: 'holdfast_commands_in_flight',
    type: 'gauge',
    unit: 'commands',
    labels: {},
    help: 'Commands consumed that have no outcome yet.',
  },
  deliveries: {
    name: 'holdfast_deliveries_total',
    type: 'counter',
    unit: 'deliveries',
    labels: {},
    help: 'Messages delivered by RabbitMQ, redelivered ones included.',
  },
  redeliveries: {
    name: 'holdfast_redeliveries_total',
    type: 'counter',
    unit: 'deliveries',
    labels: {},
    help: 'Messages delivered that had been delivered before; each such return costs a message one of its lives.',
  },
  batches: {
    name: 'holdfast_batches_total',
    type: 'counter',
    unit: 'batches',
    labels: { path: WRITE_PATHS },
    help: 'Batches committed, by the way they were written.',
  },
  batchCommands: {
    name: 'holdfast_batch_commands',
    type: 'histogram',
    unit: 'commands',
    labels: {},
    help: 'Commands per batch, before folding.',
    buckets: COUNT_BUCKETS,
  },
  batchRows: {
    name: 'holdfast_batch_rows',
    type: 'histogram',
    unit: 'rows',
    labels: {},
    help: 'Rows written per batch, after folding.',
    buckets: COUNT_BUCKETS,
  },
  writeDuration: {
    name: 'holdfast_write_duration_seconds',
    type: 'histogram',
    unit: 'seconds',
    labels: { path: WRITE_PATHS },
    help: 'Time from the begin of a batch to its commit, retries not included.',
    buckets: SECONDS_BUCKETS,
  },
  loadDuration: {
    name: 'holdfast_load_duration_seconds',
    type: 'histogram',
    unit: 'seconds',
    labels: { kind: LOAD_KINDS },
    help: 'Time a batch of loads took in PostgreSQL.',
    buckets: SECONDS_BUCKETS,
  },
  deadLetters: {
    name: 'holdfast_dead_letters_total',
    type: 'counter',
    unit: 'letters',
    labels: { code: REJECT_CODES },
    help: 'Dead letters that RabbitMQ confirmed, by reject code.',
  },
  lettersMoved: {
    name: 'holdfast_dead_letters_moved_total',
    type: 'counter',
    unit: 'letters',
    labels: {},
    help: 'Dead letters taken from their queue into their table, redelivered ones included.',
  },
  letterMoveFailures: {
    name: 'holdfast_dead_letter_move_failures_total',
    type: 'counter',
    unit: 'attempts',
    labels: {},
    help: 'Attempts to put dead letters into their table that failed; they are tried again.',
  },
  replies: {
    name: 'holdfast_replies_total',
    type: 'counter',
    unit: 'replies',
    labels: {},
    help: 'Replies published; a reply in several parts counts once.',
  },
  repliesIgnored: {
    name: 'holdfast_replies_ignored_total',
    type: 'counter',
    unit: 'replies',
    labels: {},
    help: 'Replies not sent because reply_to names no reply queue of this installation.',
  },
  writeRetries: {
    name: 'holdfast_write_retries_total',
    type: 'counter',
    unit: 'retries',
    labels: { class: RETRY_CLASSES },
    help: 'Batches tried again, by the class of failure.',
  },
  partitionOwned: {
    name: 'holdfast_partition_owned',
    type: 'gauge',
    unit: 'boolean',
    labels: { partition_count: 'number of partitions, a power of two up to 64', partition: 'number from 0' },
    help: '1 while this worker consumes the partition, 0 after it gave it up.',
  },
  brokerConnected: {
    name: 'holdfast_broker_connected',
    type: 'gauge',
    unit: 'boolean',
    labels: {},
    help: '1 while connected to RabbitMQ.',
  },
  storeAvailable: {
    name: 'holdfast_store_available',
    type: 'gauge',
    unit: 'boolean',
    labels: {},
    help: '1 while PostgreSQL accepts writes.',
  },
  versionsAhead: {
    name: 'holdfast_versions_ahead_total',
    type: 'counter',
    unit: 'commands',
    labels: {},
    help: 'Commands applied whose version is further ahead of the clock than versionAheadWarnMs.',
  },
  oldestCommandAge: {
    name: 'holdfast_oldest_command_age_seconds',
    type: 'gauge',
    unit: 'seconds',
    labels: {},
    help: 'Age of the oldest command in flight in this worker, 0 if there is none.',
  },
  frameReturnsMax: {
    name: 'holdfast_frame_returns_max',
    type: 'gauge',
    unit: 'returns',
    labels: {},
    help: 'Most returns to its queue among the frames in this worker; at 50 RabbitMQ makes a dead letter of a frame.',
  },
  buildInfo: {
    name: 'holdfast_build_info',
    type: 'gauge',
    unit: 'boolean',
    labels: { version: 'version of Holdfast' },
    help: 'Always 1; the version stands in the label.',
  },
} as const satisfies Record<string, MetricDefinition>;
