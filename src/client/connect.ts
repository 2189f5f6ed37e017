/** Makes a client. */
import { destination } from 'pino';
import { BrokerError, toBrokerError } from '../broker/broker-error.ts';
import { createLogger } from '../telemetry/logger.ts';
import { redactUrl } from '../telemetry/redact-url.ts';
import { HoldfastClient } from './client.ts';
import { type ClientLogger, type ConnectOptions, readClientOptions } from './client-options.ts';

/**
 * Connects to Holdfast.
 *
 * From then on the client comes back by itself whenever the connection is lost, and sends again what was not confirmed or
 * not answered.
 *
 * @throws HoldfastError `CONFIG_INVALID` if the options are wrong; `BROKER_UNAVAILABLE` if RabbitMQ cannot be reached,
 * unless `waitForBroker` is set; `BROKER_REFUSED` if it refuses the user.
 *
 * @example
 * const client = await connect({ url: 'amqp://127.0.0.1', node: 'node-1' });
 * await client.save({ id: 'user-123', type: 'UserProfile', document: { username: 'alice' } });
 * const object = await client.load('user-123');
 * await client.close();
 */
export async function connect(options: ConnectOptions): Promise<HoldfastClient> {
  const { logger = stderrLogger(), signal, ...rest } = options;
  const resolved = readClientOptions(rest);
  const client = new HoldfastClient(resolved, logger);
  try {
    await client.start(signal);
  } catch (error) {
    await client.close({ drainTimeoutMs: 0 });
    if (signal?.aborted === true) throw error;
    const cause = toBrokerError(error);
    throw new BrokerError(
      cause.code,
      `cannot connect to RabbitMQ at ${redactUrl(resolved.url)}: ${cause.message}`,
      {
        replyCode: cause.replyCode,
        cause,
      },
    );
  }
  return client;
}

function stderrLogger(): ClientLogger {
  return createLogger({ level: 'warn', name: 'holdfast', destination: destination({ dest: 2, sync: true }) });
}
