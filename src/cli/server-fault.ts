/**
 * Says why a server could not be reached, in words that lead to what to do. What amqplib and pg throw at this point has
 * no stable code for most of it, so this, and only this, reads their messages; where none is known it passes them on.
 */
import { HoldfastError } from '../contract/errors.ts';
import { redactUrl } from '../telemetry/redact-url.ts';
import { CommandFailure, messageOf } from './command-failure.ts';
import { EXIT_CODES, type ExitCode } from './exit-code.ts';

interface Server {
  readonly name: 'RabbitMQ' | 'PostgreSQL';
  readonly url: string;
  /** How to point to another one. */
  readonly flag: string;
  readonly variable: string;
}

interface Fault {
  readonly why: string;
  readonly advice: string;
  readonly exitCode: ExitCode;
}

/** @param error what connecting to `amqpUrl` threw. */
export function brokerFault(error: unknown, amqpUrl: string): CommandFailure {
  const server: Server = {
    name: 'RabbitMQ',
    url: amqpUrl,
    flag: '--amqp-url',
    variable: 'HOLDFAST_AMQP_URL',
  };
  const message = messageOf(error);
  const user = userOf(amqpUrl);
  if (message.includes('Login was refused')) {
    return failure(error, server, misconfigured(`refuses user ${user} or the password`, server));
  }
  if (error instanceof HoldfastError && error.code === 'BROKER_REFUSED') {
    const vhost = decodeURIComponent(new URL(amqpUrl).pathname.slice(1)) || '/';
    const why = `has no virtual host ${JSON.stringify(vhost)}, or user ${user} may not use it`;
    return failure(error, server, misconfigured(why, server));
  }
  if (message.includes('abruptly during opening handshake') || message.includes('exceeds maxFrameSize')) {
    return failure(error, server, misconfigured('does not answer as RabbitMQ does', server));
  }
  return failure(error, server, networkFault(message, server));
}

/** @param error what connecting to `databaseUrl` threw. */
export function databaseFault(error: unknown, databaseUrl: string): CommandFailure {
  const server: Server = {
    name: 'PostgreSQL',
    url: databaseUrl,
    flag: '--database-url',
    variable: 'HOLDFAST_DATABASE_URL',
  };
  const message = messageOf(error);
  const code = error instanceof HoldfastError ? error.code : undefined;
  const sqlstate = sqlstateOf(error);
  if (sqlstate === '3D000') {
    return failure(error, server, {
      why: `has no such database (${message})`,
      advice: `Create it, or name another with ${server.flag} or ${server.variable}`,
      exitCode: EXIT_CODES.configuration,
    });
  }
  if (code === 'STORE_MISCONFIGURED')
    return failure(error, server, misconfigured(`says: ${message}`, server));
  if (sqlstate === '53300') {
    return failure(error, server, {
      why: 'has no connection left',
      advice: 'Raise max_connections, or run fewer workers with fewer writers and loadConnections',
      exitCode: EXIT_CODES.unavailable,
    });
  }
  if (message.includes('does not support SSL')) {
    return failure(error, server, misconfigured('offers no TLS, but the URL asks for it (sslmode)', server));
  }
  return failure(error, server, networkFault(message, server));
}

function networkFault(message: string, server: Server): Fault {
  const advice = `Is it running? Set ${server.flag} or ${server.variable} to where it is`;
  const exitCode = EXIT_CODES.unavailable;
  if (/ECONNREFUSED/.test(message)) return { why: 'refuses the connection', advice, exitCode };
  if (/ENOTFOUND|EAI_AGAIN/.test(message)) {
    const correct = `Correct ${server.flag} or ${server.variable}, or ask who runs the name service`;
    return { why: 'is on a host whose name cannot be resolved', advice: correct, exitCode };
  }
  if (/ECONNRESET|EPIPE|terminated unexpectedly|closed abruptly/.test(message)) {
    const why = 'ends the connection before anything was said; is it another kind of server?';
    return { why, advice, exitCode };
  }
  if (/timeout|timed out|ETIMEDOUT/i.test(message))
    return { why: 'does not answer in time', advice, exitCode };
  if (/SSL routines|ERR_SSL|certificate|self.signed/i.test(message)) {
    const reason = /wrong version number/.test(message) ? 'no TLS is spoken there' : message;
    return misconfigured(`cannot be reached with TLS: ${reason}`, server);
  }
  return { why: `cannot be reached: ${message}`, advice, exitCode };
}

function misconfigured(why: string, { flag, variable }: Server): Fault {
  return { why, advice: `Correct ${flag} or ${variable}`, exitCode: EXIT_CODES.configuration };
}

function failure(cause: unknown, { name, url }: Server, { why, advice, exitCode }: Fault): CommandFailure {
  return new CommandFailure(exitCode, `${name} at ${redactUrl(url)} ${why}`, advice, { cause });
}

function userOf(url: string): string {
  return decodeURIComponent(new URL(url).username) || 'guest';
}

function sqlstateOf(error: unknown): string | undefined {
  return error instanceof Error && 'sqlstate' in error && typeof error.sqlstate === 'string'
    ? error.sqlstate
    : undefined;
}
