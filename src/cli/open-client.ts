/** Opens the client library for the length of one command, quiet on its own: what goes wrong is told by the command. */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { HoldfastClient as Client } from '../client/client.ts';
import type { Failure } from '../client/failure.ts';
import { HoldfastError } from '../contract/errors.ts';
import type { CommandContext } from './command-definition.ts';
import { EXIT_CODES, type ExitCode } from './exit-code.ts';
import { brokerFault } from './server-fault.ts';

export type { Client };

type ClientContext = Pick<CommandContext, 'options' | 'verbose'>;

/**
 * Runs something with a client that is closed behind it. What fails after it was confirmed is told, and makes the exit
 * code that of bad input.
 *
 * @throws CommandFailure if RabbitMQ cannot be reached.
 */
export async function withClient(
  context: ClientContext & Pick<CommandContext, 'output' | 'json'>,
  run: (client: Client) => Promise<ExitCode>,
): Promise<ExitCode> {
  const { output, json } = context;
  const told: Promise<void>[] = [];
  const client = await openClient(context, ({ id, code, message }) => {
    output.note(`${subjectOf(id)}: failed after it was confirmed: ${message} (${code})`);
    told.push(json ? output.printJson({ id, outcome: 'failed', code }) : Promise.resolve());
  });
  let exitCode: ExitCode;
  try {
    exitCode = await run(client);
  } finally {
    await client.close();
  }
  await Promise.all(told);
  return exitCode === EXIT_CODES.ok && told.length > 0 ? EXIT_CODES.badInput : exitCode;
}

/** What a failure is about: an object, or a frame that could not be read. */
export function subjectOf(id: string | undefined): string {
  return id === undefined ? 'a frame' : JSON.stringify(id);
}

/**
 * A client that the caller closes.
 *
 * @param onFailure told of what failed after it had been confirmed, up to the end of the close.
 * @throws CommandFailure if RabbitMQ cannot be reached.
 */
export async function openClient(
  { options, verbose }: ClientContext,
  onFailure: (failure: Failure) => void,
): Promise<Client> {
  const [{ connect }, { createLogger }] = await Promise.all([
    import('../client/connect.ts'),
    import('../telemetry/logger.ts'),
  ]);
  try {
    const client = await connect({
      url: options.amqpUrl,
      node: `cli-${hostname().slice(0, 100)}-${randomBytes(3).toString('hex')}`,
      prefix: options.prefix,
      partitions: options.partitions,
      documentBytesMax: options.documentBytesMax,
      connectTimeoutMs: options.connectTimeoutMs,
      heartbeatMs: options.heartbeatMs,
      logger: createLogger({
        level: verbose ? options.logLevel : 'silent',
        destination: { write: (line) => void process.stderr.write(line) },
      }),
    });
    return client.on('failure', onFailure);
  } catch (error) {
    if (error instanceof HoldfastError && error.code.startsWith('BROKER_')) {
      // The client names the server in its message, as is done here again with what to do about it.
      throw brokerFault(error.cause ?? error, options.amqpUrl);
    }
    throw error;
  }
}
