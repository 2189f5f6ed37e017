/**
 * The log: JSON lines on standard output, one object each. The text of a message is constant, what varies stands in the
 * fields below, so that lines can be searched and counted. Passwords are taken out.
 */
import { type DestinationStream, pino } from 'pino';
import { errorFields } from './error-fields.ts';
import { redactUrl } from './redact-url.ts';

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

/**
 * Every field a log line may have, beside `level`, `time`, `pid`, `name` and `msg`. One name, one meaning; units end the
 * name. An alias and not an interface, so that a plain record of fields may be declared where this is passed to.
 */
export type LogFields = {
  /** Whatever was thrown. */
  readonly err?: unknown;
  /** Stable code of an error or of a rejection. */
  readonly code?: string | undefined;
  readonly sqlstate?: string | undefined;
  readonly constraint?: string | undefined;
  /** Constant text that says why, where no error was thrown. */
  readonly reason?: string | undefined;

  readonly partition?: number | undefined;
  readonly partitions?: readonly number[] | undefined;
  readonly partitionCount?: number | undefined;
  readonly queue?: string | undefined;
  readonly messageId?: string | undefined;
  readonly deliveryTag?: number | undefined;
  readonly redelivered?: boolean | undefined;
  readonly letterId?: string | undefined;
  readonly replyTo?: string | undefined;
  readonly objectId?: string | undefined;
  readonly objectType?: string | undefined;
  readonly version?: number | undefined;
  readonly epoch?: number | undefined;

  /** How many of each. */
  readonly commands?: number | undefined;
  readonly deliveries?: number | undefined;
  readonly letters?: number | undefined;
  readonly rows?: number | undefined;
  readonly bytes?: number | undefined;
  readonly attempt?: number | undefined;
  /** Lines of the same message that were left out since the last one. */
  readonly repeats?: number | undefined;

  readonly durationMs?: number | undefined;
  readonly delayMs?: number | undefined;
  readonly timeoutMs?: number | undefined;
  readonly aheadMs?: number | undefined;

  /** Of a worker other than, or not yet, the one that logs. */
  readonly worker?: string | undefined;
  readonly workers?: readonly string[] | undefined;
  /** Of rows. */
  readonly kind?: string | undefined;
  readonly condition?: string | undefined;
  readonly stage?: string | undefined;
  readonly signal?: string | undefined;
  readonly migration?: string | undefined;

  /** A connection URL; its password is taken out. */
  readonly url?: string | undefined;
  /** Where we listen, `host:port`. */
  readonly address?: string | undefined;
  readonly requestedAddress?: string | undefined;
  readonly path?: string | undefined;
  readonly holdfastVersion?: string | undefined;
  readonly serverVersion?: string | undefined;
};

/** What writes log lines. Fields first, then the constant text. */
export interface Logger {
  trace(fields: LogFields, message: string): void;
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
  fatal(fields: LogFields, message: string): void;
  isLevelEnabled(level: LogLevel): boolean;
  /** A logger that adds these fields to every line. */
  child(fields: LogFields): Logger;
}

export interface LoggerOptions {
  readonly level: LogLevel;
  /** Of the process; the name of a worker. */
  readonly name?: string | undefined;
  /** Standard output if not given. */
  readonly destination?: DestinationStream | undefined;
}

/** Fields that hold a connection URL, and fields that hold nothing but a secret; also one level down. */
const URL_FIELDS = ['url', 'amqpUrl', 'databaseUrl', 'connectionString'];
const SECRET_FIELDS = ['password', 'passphrase'];

/**
 * A logger. Lines are written before the call returns: those before a crash are the ones that are needed, and the worker
 * logs events, not commands.
 */
export function createLogger({ level, name, destination }: LoggerOptions): Logger {
  const options = {
    level,
    ...(name === undefined ? {} : { name }),
    base: { pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { err: errorFields },
    redact: {
      paths: [...URL_FIELDS, ...SECRET_FIELDS].flatMap((field) => [field, `*.${field}`]),
      censor: (value: unknown, path: string[]): unknown => censor(value, path.at(-1)),
    },
  };
  return destination === undefined
    ? pino(options, pino.destination({ dest: 1, sync: true }))
    : pino(options, destination);
}

function censor(value: unknown, field: string | undefined): unknown {
  if (value === undefined || value === null) return value;
  return typeof value === 'string' && URL_FIELDS.includes(field ?? '') ? redactUrl(value) : '[redacted]';
}
