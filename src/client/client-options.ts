/** The options of a client: what they mean, their defaults, and the relations between them. */
import { z } from 'zod';
import { HoldfastError } from '../contract/errors.ts';
import {
  DOCUMENT_BYTES_DEFAULT,
  DOCUMENT_BYTES_MAX,
  FRAME_BYTES_MAX,
  FRAME_COMMANDS_MAX,
} from '../contract/limits.ts';
import { DEFAULT_PREFIX, isPrefix } from '../contract/names.ts';
import { isPartitionCount } from '../contract/partition.ts';
import { readTypeSchemas, type TypeSchemas, TypeSchemasError } from '../contract/type-schemas.ts';
import type { Logger } from '../telemetry/logger.ts';

/** What a write does when the buffer is full: wait for room, in order, or fail with `OVERLOADED`. */
export type OnFull = 'wait' | 'fail';

/** Where the client logs: what happens to its connection, and failures that nobody listens to. */
export type ClientLogger = Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>;

/** Options of `connect`. Only `url` and `node` have no default. */
export interface ConnectOptions {
  /** Of RabbitMQ, with user, password and virtual host: `amqp://` or `amqps://`. */
  readonly url: string;
  /** Name of this object node, as it stands in dead letters and in names of connections; at most 200 bytes. */
  readonly node: string;
  /** What all names of the installation begin with. Default `holdfast`. */
  readonly prefix?: string | undefined;
  /** Number of partitions of the installation: a power of two up to 64. Default 16. */
  readonly partitions?: number | undefined;
  /**
   * Zod schemas of documents by object type, or a module that exports them, such as the one the workers are given: a save
   * whose document does not fit fails with `SCHEMA_VIOLATION` before anything is sent. Default: none.
   */
  readonly types?: Readonly<Record<string, unknown>> | undefined;
  /** Where to log. Default: JSON lines on standard error, from `warn` on. */
  readonly logger?: ClientLogger | undefined;
  /** Wait until RabbitMQ can be reached, instead of failing when the first attempt fails. Default `false`. */
  readonly waitForBroker?: boolean | undefined;
  /** Ends the waiting of `connect`; it rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** What writes and loads do when a buffer is full. Default `wait`. */
  readonly onFull?: OnFull | undefined;

  /** Interval of heartbeats; a peer that is silent for two is dead. At least 1,000. Default 10,000. */
  readonly heartbeatMs?: number | undefined;
  /** How long one attempt to connect may take. Default 10,000. */
  readonly connectTimeoutMs?: number | undefined;
  /** How long a confirm may take before the channel is given up and everything unconfirmed is sent again. Default 60,000. */
  readonly confirmTimeoutMs?: number | undefined;
  /** How long loads, claims and lists wait for their answer unless they say otherwise. Default 30,000. */
  readonly loadTimeoutMs?: number | undefined;
  /** How long `close` waits for what was begun unless it says otherwise. Default 10,000. */
  readonly drainTimeoutMs?: number | undefined;
  /** Shortest and longest delay before a connection, a channel or a refused frame is tried again. Default 100, 5,000. */
  readonly retryDelayMsMin?: number | undefined;
  readonly retryDelayMsMax?: number | undefined;

  /** Frames of one partition on their way at a time, 1 to 16. Default 2. */
  readonly framesInFlightMax?: number | undefined;
  /** Largest frame in bytes, up to 1 MiB; a larger command goes alone. Default 128 KiB. */
  readonly frameBytesMax?: number | undefined;
  /** Most commands in a frame, up to 1,000. Default 1,000. */
  readonly frameCommandsMax?: number | undefined;
  /** Bound of what is not confirmed yet, in commands and in bytes. Default 65,536 and 64 MiB. */
  readonly bufferItemsMax?: number | undefined;
  readonly bufferBytesMax?: number | undefined;
  /** Bound of what awaits the answer of a worker, in commands and in bytes. Default 65,536 and 64 MiB. */
  readonly awaitingItemsMax?: number | undefined;
  readonly awaitingBytesMax?: number | undefined;
  /** Largest document in bytes, as the workers are configured, up to 15 MiB. Default 1 MiB. */
  readonly documentBytesMax?: number | undefined;
  /** Bound in bytes of replies in several parts, while they are put together. Default 128 MiB. */
  readonly replyBytesMax?: number | undefined;
  /** Most objects whose epoch is remembered. At the bound, claims of further objects fail. Default 1,000,000. */
  readonly claimsMax?: number | undefined;
}

const MIB = 1_048_576;
/** The longest delay of a timer in Node. */
const TIMER_MS_MAX = 2_147_483_647;
/** `app_id` is an AMQP short string of at most 255 bytes. */
const NODE_BYTES_MAX = 200;

const milliseconds = (min = 1): z.ZodInt => z.int().min(min).max(TIMER_MS_MAX);
const count = (max = Number.MAX_SAFE_INTEGER): z.ZodInt => z.int().min(1).max(max);

const Fields = z.strictObject({
  url: z.string().refine(isAmqpUrl, { error: 'must be an amqp:// or amqps:// URL' }),
  node: z.string().refine((node) => node.length > 0 && Buffer.byteLength(node) <= NODE_BYTES_MAX, {
    error: `must have 1 to ${NODE_BYTES_MAX} bytes`,
  }),
  prefix: z.string().refine(isPrefix, { error: 'is not a prefix' }).default(DEFAULT_PREFIX),
  partitions: z.int().refine(isPartitionCount, { error: 'must be a power of two from 1 to 64' }).default(16),
  types: z.unknown().optional().transform(toTypeSchemas),
  waitForBroker: z.boolean().default(false),
  onFull: z.enum(['wait', 'fail']).default('wait'),

  heartbeatMs: milliseconds(1_000).default(10_000),
  connectTimeoutMs: milliseconds().default(10_000),
  confirmTimeoutMs: milliseconds(10).default(60_000),
  loadTimeoutMs: milliseconds().default(30_000),
  drainTimeoutMs: milliseconds(0).default(10_000),
  retryDelayMsMin: milliseconds().default(100),
  retryDelayMsMax: milliseconds().default(5_000),

  // Two keep a partition busy during the round trip of a confirm; measured, 1 to 4 differ by less than the noise at full
  // speed, and more than two only make frames smaller (220 commands with two, 160 with four).
  framesInFlightMax: count(16).default(2),
  frameBytesMax: count(FRAME_BYTES_MAX).default(128 * 1_024),
  frameCommandsMax: count(FRAME_COMMANDS_MAX).default(FRAME_COMMANDS_MAX),
  bufferItemsMax: count().default(65_536),
  bufferBytesMax: count().default(64 * MIB),
  awaitingItemsMax: count().default(65_536),
  awaitingBytesMax: count().default(64 * MIB),
  documentBytesMax: count(DOCUMENT_BYTES_MAX).default(DOCUMENT_BYTES_DEFAULT),
  replyBytesMax: count().default(128 * MIB),
  claimsMax: count().default(1_000_000),
});

const Options = Fields.refine(({ retryDelayMsMin, retryDelayMsMax }) => retryDelayMsMin <= retryDelayMsMax, {
  error: 'must be at least retryDelayMsMin: the delay grows from that to this',
  path: ['retryDelayMsMax'],
})
  .refine(({ documentBytesMax, bufferBytesMax }) => documentBytesMax <= bufferBytesMax, {
    error: 'must be at least documentBytesMax, or the largest document has no room',
    path: ['bufferBytesMax'],
  })
  .refine(({ documentBytesMax, replyBytesMax }) => documentBytesMax <= replyBytesMax, {
    error: 'must be at least documentBytesMax, or what was saved cannot be loaded',
    path: ['replyBytesMax'],
  });

/** Every option, with its default where it was not given. */
export type ClientOptions = z.output<typeof Options>;

/**
 * Checks the options and fills in the defaults.
 *
 * @throws HoldfastError `CONFIG_INVALID`, which names every option that is wrong.
 */
export function readClientOptions(given: Omit<ConnectOptions, 'logger' | 'signal'>): ClientOptions {
  const result = Options.safeParse(given);
  if (result.success) return result.data;
  const faults = result.error.issues.map(({ path, message }) =>
    path.length === 0 ? message : `${path.join('.')}: ${message}`,
  );
  throw new HoldfastError('CONFIG_INVALID', `the options of the client are invalid: ${faults.join('; ')}`, {
    scope: 'process',
    retryable: false,
  });
}

function toTypeSchemas(given: unknown, context: z.RefinementCtx): TypeSchemas {
  if (given === undefined) return new Map();
  try {
    return readTypeSchemas(given);
  } catch (error) {
    if (!(error instanceof TypeSchemasError)) throw error;
    context.addIssue({ code: 'custom', message: error.message });
    return z.NEVER;
  }
}

function isAmqpUrl(value: string): boolean {
  return URL.canParse(value) && ['amqp:', 'amqps:'].includes(new URL(value).protocol);
}
