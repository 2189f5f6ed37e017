/**
 * Every option of Holdfast: its type, range, default and description. Environment names, flags, the documented table
 * and the commented YAML file are derived from this and from nothing else. The unit stands at the end of the name.
 */
import { z } from 'zod';
import { DOCUMENT_BYTES_DEFAULT, DOCUMENT_BYTES_MAX, FRAME_BYTES_MAX } from '../contract/limits.ts';
import { DEFAULT_PREFIX, isPrefix } from '../contract/names.ts';
import { isPartitionCount } from '../contract/partition.ts';

/** The headings under which options are documented, in this order. */
export const OPTION_GROUPS = [
  'Servers',
  'Installation',
  'Process',
  'Writing',
  'Loading',
  'Timeouts',
  'Retention and warnings',
] as const;
export type OptionGroup = (typeof OPTION_GROUPS)[number];

/** What an option says about itself beside its type, range and default. */
export interface OptionMeta {
  readonly group: OptionGroup;
  readonly description: string;
  /** What the number counts. */
  readonly unit?: 'ms' | 'bytes' | 'commands' | 'rows' | 'frames' | 'requests' | 'connections' | 'partitions';
  /** What is allowed, where type and range do not say it; completes the phrase "must be". */
  readonly allowed?: string;
  /** Kept out of errors and logs, and may come from a file named by `<environment name>_FILE`. */
  readonly secret?: true;
  /** Shown in the YAML file where there is no default. */
  readonly example?: string;
}

const KIB = 1_024;
const MIB = 1_024 * KIB;
const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** AMQP carries the prefetch count in 16 bits; 0 would mean "no limit" or, on quorum queues, 2,000. */
const PREFETCH_MAX = 65_535;

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

/** Names of workers stand in queue names (`<prefix>.replies.<name>`, 255 bytes at most) and in headers. */
const WORKER_NAME_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

const ADDRESS_PATTERN = /^(?:\[[0-9A-Fa-f:.%]+\]|[^\s:[\]/]+):([0-9]{1,5})$/;

function isUrl(value: string, protocols: readonly string[]): boolean {
  return URL.canParse(value) && protocols.includes(new URL(value).protocol);
}

function isHttpAddress(value: string): boolean {
  if (value === 'off') return true;
  const port = ADDRESS_PATTERN.exec(value)?.[1];
  return port !== undefined && Number(port) <= 65_535;
}

/** Attaches what an option says about itself. Must come last: a schema made from another does not inherit it. */
function option<Schema extends z.ZodType>(schema: Schema, meta: OptionMeta): Schema {
  return schema.meta({ ...meta });
}

function integer(min: number, max: number): z.ZodInt {
  return z.int().min(min).max(max);
}

/** Each option by itself; the relations between them are added in `options.ts`. */
export const OptionFields = z.strictObject({
  amqpUrl: option(
    z
      .string()
      .refine((value) => isUrl(value, ['amqp:', 'amqps:']))
      .default('amqp://guest:guest@127.0.0.1:5672'),
    {
      group: 'Servers',
      description: 'Where RabbitMQ is, with user, password and virtual host.',
      allowed: 'an amqp:// or amqps:// URL',
      secret: true,
    },
  ),
  databaseUrl: option(
    z
      .string()
      .refine((value) => isUrl(value, ['postgres:', 'postgresql:']))
      .default('postgres://127.0.0.1:5432/holdfast'),
    {
      group: 'Servers',
      description: 'Where PostgreSQL is, with user, password and database.',
      allowed: 'a postgres:// or postgresql:// URL',
      secret: true,
    },
  ),
  prefix: option(z.string().refine(isPrefix).default(DEFAULT_PREFIX), {
    group: 'Installation',
    description:
      'What the names of all exchanges and queues begin with. The same for every worker and object node of an ' +
      'installation; two installations on one virtual host need two prefixes.',
    allowed: 'a letter or digit, then up to 63 letters, digits, ".", "_" or "-"',
  }),
  partitions: option(z.int().refine(isPartitionCount).default(16), {
    group: 'Installation',
    description:
      'Number of partitions, which is the number of command queues. The same for every worker and object node; to ' +
      'change it, declare the new queues first (`holdfast topology --partitions`).',
    unit: 'partitions',
    allowed: 'a power of two from 1 to 64',
  }),
  workerName: option(
    z
      .string()
      .refine((value) => WORKER_NAME_PATTERN.test(value))
      .optional(),
    {
      group: 'Process',
      description:
        'Name of this worker in logs, dead letters and announcements; unique among the workers that run. Without it, ' +
        'the host name and a few random characters.',
      allowed: 'a letter or digit, then up to 127 letters, digits, ".", "_" or "-"',
      example: 'worker-1',
    },
  ),
  httpAddress: option(z.string().refine(isHttpAddress).default('127.0.0.1:9464'), {
    group: 'Process',
    description:
      'Where `/metrics`, `/livez` and `/readyz` are served; `off` for nowhere, port 0 for any free port. If the ' +
      'address was not given and the default is taken, the next free port is used and logged.',
    allowed: 'host:port, [IPv6]:port or off',
  }),
  logLevel: option(z.enum(LOG_LEVELS).default('info'), {
    group: 'Process',
    description: 'The least severe log lines that are written.',
  }),
  types: option(z.string().min(1).optional(), {
    group: 'Process',
    description:
      'Module that exports the Zod schemas of documents by object type (docs/types.md); a path relative to the ' +
      'configuration file that gives it, else to the working directory. A type without a schema takes any JSON object.',
    allowed: 'the path of a JavaScript module',
    example: './types.js',
  }),
  writers: option(integer(1, 16).default(2), {
    group: 'Writing',
    description:
      'Batches written at the same time, each on its own database connection and on partitions of its own. More than ' +
      'there are partitions stay idle.',
  }),
  batchCommandsMax: option(integer(1, 50_000).default(8_192), {
    group: 'Writing',
    description: 'Most commands in one batch, which is one transaction.',
    unit: 'commands',
  }),
  // At least one whole frame: a frame is what a batch is filled with.
  batchBytesMax: option(integer(FRAME_BYTES_MAX, 256 * MIB).default(8 * MIB), {
    group: 'Writing',
    description: 'Most bytes of commands in one batch.',
    unit: 'bytes',
  }),
  prefetchFrames: option(integer(1, PREFETCH_MAX).default(32), {
    group: 'Writing',
    description:
      'Frames that RabbitMQ sends ahead for one partition. The same for all workers of an installation, or the order of a ' +
      'partition may break when two of them die one after the other. A worker holds at most so many frames in memory, ' +
      'times the partitions it has; the client packs frames of up to 128 KiB.',
    unit: 'frames',
  }),
  copyRowsMin: option(integer(1, 50_000).default(1_000), {
    group: 'Writing',
    description:
      'Rows from which on a batch is written by COPY and merge; smaller ones by a multi-row upsert. Equal to ' +
      '`batchCommandsMax`, COPY is hardly ever used.',
    unit: 'rows',
  }),
  // The smallest document is `{}`.
  documentBytesMax: option(integer(2, DOCUMENT_BYTES_MAX).default(DOCUMENT_BYTES_DEFAULT), {
    group: 'Writing',
    description:
      'Largest document; a larger one is rejected `TOO_LARGE`. RabbitMQ 4 refuses messages above 16 MiB unless told ' +
      'otherwise, hence the upper bound.',
    unit: 'bytes',
  }),
  loadConnections: option(integer(1, 16).default(2), {
    group: 'Loading',
    description: 'Database connections for loads, beside those of the writers.',
    unit: 'connections',
  }),
  loadsPrefetch: option(integer(1, PREFETCH_MAX).default(512), {
    group: 'Loading',
    description: 'Most unordered load requests that RabbitMQ sends ahead to this worker.',
    unit: 'requests',
  }),
  replyBytesMax: option(integer(KIB, 256 * MIB).default(16 * MIB), {
    group: 'Loading',
    description: 'Most bytes of documents that one batch of loads may bring into memory.',
    unit: 'bytes',
  }),
  connectTimeoutMs: option(integer(100, 2 * MINUTE).default(10 * SECOND), {
    group: 'Timeouts',
    description: 'Longest wait for a connection to RabbitMQ or PostgreSQL before it counts as failed.',
    unit: 'ms',
  }),
  heartbeatMs: option(
    integer(SECOND, MINUTE)
      .multipleOf(SECOND)
      // A worker that is stopped keeps its partitions for two to three of them; its successor is to go on within 15 s.
      .default(5 * SECOND),
    {
      group: 'Timeouts',
      description:
        'Interval of AMQP heartbeats. A peer that is gone is noticed after two to three of them, on either side. ' +
        'AMQP counts in whole seconds.',
      unit: 'ms',
    },
  ),
  confirmTimeoutMs: option(integer(100, 5 * MINUTE).default(30 * SECOND), {
    group: 'Timeouts',
    description:
      'Longest wait for RabbitMQ to confirm a published message, such as a dead letter, before it counts as failed.',
    unit: 'ms',
  }),
  lockTimeoutMs: option(integer(10, MINUTE).default(5 * SECOND), {
    group: 'Timeouts',
    description:
      'Longest wait of a batch for a lock. After it the partitions concerned are set aside and tried again; the others ' +
      'go on.',
    unit: 'ms',
  }),
  consumerTimeoutMs: option(integer(MINUTE, DAY).default(30 * MINUTE), {
    group: 'Timeouts',
    description:
      "RabbitMQ's delivery acknowledgement timeout (`consumer_timeout`, 30 minutes unless told otherwise there). While " +
      'nothing can be written, channels are renewed shortly before it, because each renewal costs every message that ' +
      'waits one of its 50 returns.',
    unit: 'ms',
  }),
  // Together with confirmTimeoutMs and retryDelayMsMax at their largest this is below 16 minutes, about half of the
  // 30 minutes after which RabbitMQ closes the channel of a consumer that has not acknowledged.
  statementTimeoutMs: option(integer(100, 10 * MINUTE).default(MINUTE), {
    group: 'Timeouts',
    description: 'Longest run of one statement; PostgreSQL then cancels it and the batch is tried again.',
    unit: 'ms',
  }),
  idleInTransactionTimeoutMs: option(integer(100, 15 * SECOND).default(10 * SECOND), {
    group: 'Timeouts',
    description:
      'How long PostgreSQL lets a transaction of ours wait for its next statement before it ends the session. Frees ' +
      'the locks of a process that was stopped in the middle of a batch.',
    unit: 'ms',
  }),
  tcpUserTimeoutMs: option(integer(100, 15 * SECOND).default(10 * SECOND), {
    group: 'Timeouts',
    description:
      'How long PostgreSQL lets data sent to us go unacknowledged before it ends the session. Frees the locks of a ' +
      'machine that vanished.',
    unit: 'ms',
  }),
  retryDelayMsMin: option(integer(1, MINUTE).default(50), {
    group: 'Timeouts',
    description:
      'First delay before a failed connection or batch is tried again; doubled each time, with jitter.',
    unit: 'ms',
  }),
  retryDelayMsMax: option(integer(1, MINUTE).default(5 * SECOND), {
    group: 'Timeouts',
    description: 'Longest such delay, jitter included.',
    unit: 'ms',
  }),
  drainTimeoutMs: option(integer(100, HOUR).default(30 * SECOND), {
    group: 'Timeouts',
    description:
      'Longest time to finish, answer and acknowledge what is being written after SIGTERM. What is not finished is ' +
      'delivered again elsewhere. Give the process at least this long before SIGKILL (Docker: 10 s, Kubernetes: 30 s ' +
      'unless told otherwise).',
    unit: 'ms',
  }),
  // Never below an hour: an unacknowledged command alone may come back after RabbitMQ's 30 minutes.
  tombstoneRetentionMs: option(integer(HOUR, 3_650 * DAY).default(7 * DAY), {
    group: 'Retention and warnings',
    description:
      'How long the version and epoch of a deleted object, and the ids of claims, are remembered. Must be longer than ' +
      'any command can wait in a queue or be held back by a publisher: an older one could resurrect the object.',
    unit: 'ms',
  }),
  versionAheadWarnMs: option(integer(SECOND, 365 * DAY).default(HOUR), {
    group: 'Retention and warnings',
    description:
      "How far a version, read as a time in microseconds, may be ahead of the worker's clock before it is warned " +
      'about. Such a command is applied all the same.',
    unit: 'ms',
  }),
});

/** The values of all options, each valid by itself. */
export type OptionValues = z.output<typeof OptionFields>;
