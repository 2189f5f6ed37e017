/** What goes wrong between us and RabbitMQ. */
import { type ErrorScope, HoldfastError, type OperationErrorCode } from '../contract/errors.ts';

export class BrokerError extends HoldfastError {
  override readonly name = 'BrokerError';
  declare readonly code: OperationErrorCode;
  /** AMQP reply code, where the broker gave one. */
  readonly replyCode: number | undefined;

  constructor(
    code: OperationErrorCode,
    message: string,
    options: { replyCode?: number | undefined; cause?: unknown; retryable?: boolean } = {},
  ) {
    const scope: ErrorScope = code === 'BROKER_TOPOLOGY' ? 'process' : 'dependency';
    super(code, message, { scope, retryable: options.retryable ?? true, cause: options.cause });
    this.replyCode = options.replyCode;
  }
}

/** AMQP 0-9-1 reply codes that say that names, arguments or rights are wrong, not that the broker is away. */
const ACCESS_REFUSED = 403;
const NOT_FOUND = 404;
const PRECONDITION_FAILED = 406;

/**
 * amqplib puts the broker's reply code into `code`, except for a refused handshake, where it only stands, in digits, at
 * the begin of the message (amqplib 2.3, lib/connection.js; not translated).
 */
function replyCodeOf(error: unknown, message: string): number | undefined {
  const given: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
  if (typeof given === 'number') return given;
  const digits = /^Handshake terminated by server: (\d{3}) /.exec(message)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/**
 * Where RabbitMQ closes the connection instead of opening the virtual host, amqplib 2.3 drops the reply and reports only
 * the kinds of frame it expected and got.
 */
const VIRTUAL_HOST_REFUSED = /^Expected ConnectionOpenOk; got <ConnectionClose /;

/** Turns what amqplib throws into a `BrokerError`. */
export function toBrokerError(error: unknown): BrokerError {
  if (error instanceof BrokerError) return error;
  const message = error instanceof Error ? error.message || error.name : String(error);
  const replyCode = replyCodeOf(error, message);
  const options = { replyCode, cause: error };
  if (VIRTUAL_HOST_REFUSED.test(message)) {
    const why = 'RabbitMQ has no such virtual host, or this user may not use it';
    return new BrokerError('BROKER_REFUSED', why, options);
  }
  if (replyCode === ACCESS_REFUSED) return new BrokerError('BROKER_REFUSED', message, options);
  if (replyCode === NOT_FOUND || replyCode === PRECONDITION_FAILED) {
    return new BrokerError('BROKER_TOPOLOGY', message, options);
  }
  return new BrokerError('BROKER_UNAVAILABLE', message, options);
}
