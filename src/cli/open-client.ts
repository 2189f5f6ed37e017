/** Opens the client library for the length of one command, quiet on its own: what goes wrong is told by the command. */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { HoldfastClient as Client } from '../client/client.ts';
import { HoldfastError } from '../contract/errors.ts';
import type { CommandContext } from './command-definition.ts';
import { brokerFault } from './server-fault.ts';

export type { Client };

type ClientContext = Pick<CommandContext, 'options' | 'verbose'>;

/** Runs something with a client that is closed behind it. @throws CommandFailure if RabbitMQ cannot be reached. */
export async function withClient<T>(context: ClientContext, run: (client: Client) => Promise<T>): Promise<T> {
  const client = await openClient(context);
  try {
    return await run(client);
  } finally {
    await client.close();
  }
}

/** A client that the caller closes. @throws CommandFailure if RabbitMQ cannot be reached. */
export async function openClient({ options, verbose }: ClientContext): Promise<Client> {
  const [{ connect }, { createLogger }] = await Promise.all([
    import('../client/connect.ts'),
    import('../telemetry/logger.ts'),
  ]);
  try {
    return await connect({
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
  } catch (error) {
    if (error instanceof HoldfastError && error.code.startsWith('BROKER_')) {
      // The client names the server in its message, as is done here again with what to do about it.
      throw brokerFault(error.cause ?? error, options.amqpUrl);
    }
    throw error;
  }
}
