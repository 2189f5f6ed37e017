/** Opens what a command needs of the two servers, with errors that name the server. Drivers load when first needed. */
import type { BrokerConnection } from '../broker/broker-connection.ts';
import type { Options } from '../config/options.ts';
import type { Connection } from '../store/connection.ts';
import { brokerFault, databaseFault } from './server-fault.ts';

/** A connection to RabbitMQ for the length of one command. */
export interface Broker {
  readonly connection: BrokerConnection;
  readonly model: NonNullable<BrokerConnection['model']>;
  close(): Promise<void>;
}

/** @throws CommandFailure that says why it cannot be reached. */
export async function openBroker(options: Options, purpose: string): Promise<Broker> {
  const { BrokerConnection } = await import('../broker/broker-connection.ts');
  const connection = new BrokerConnection({ ...options, connectionName: `holdfast ${purpose}` });
  try {
    await connection.startOnce();
    const { model } = connection;
    if (model === undefined) throw new Error('the connection was lost at once');
    return { connection, model, close: () => connection.close() };
  } catch (error) {
    await connection.close();
    throw brokerFault(error, options.amqpUrl);
  }
}

/** @throws CommandFailure that says why it cannot be reached. */
export async function openDatabase(options: Options, purpose: string): Promise<Connection> {
  const { Connection } = await import('../store/connection.ts');
  try {
    return await Connection.open(connectionOptions(options, purpose));
  } catch (error) {
    throw databaseFault(error, options.databaseUrl);
  }
}

/** How a command connects to PostgreSQL. */
export function connectionOptions(options: Options, purpose: string) {
  return { ...options, applicationName: `holdfast-cli ${purpose}` };
}

/** Runs something on a broker connection that is closed behind it. */
export async function withBroker<T>(
  options: Options,
  purpose: string,
  run: (broker: Broker) => Promise<T>,
): Promise<T> {
  const broker = await openBroker(options, purpose);
  try {
    return await run(broker);
  } finally {
    await broker.close();
  }
}

/** Runs something on a database connection that is closed behind it. */
export async function withDatabase<T>(
  options: Options,
  purpose: string,
  run: (connection: Connection) => Promise<T>,
): Promise<T> {
  const connection = await openDatabase(options, purpose);
  try {
    return await run(connection);
  } finally {
    await connection.close();
  }
}
