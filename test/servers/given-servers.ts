// Rung 1: servers that somebody else runs, named by the two variables that Holdfast itself reads.

import { connectionProblem } from './server-answers.ts';
import type { Servers } from './servers.ts';

const ANSWER_LIMIT_MS = 10_000;
const DEFAULT_PORTS: Record<string, number> = {
  'amqp:': 5672,
  'amqps:': 5671,
  'postgres:': 5432,
  'postgresql:': 5432,
};

/** Undefined if neither variable is set; throws if only one is, or if a server does not answer. */
export async function givenServers(): Promise<Servers | undefined> {
  const amqpUrl = process.env['HOLDFAST_AMQP_URL'];
  const databaseUrl = process.env['HOLDFAST_DATABASE_URL'];
  if (!amqpUrl && !databaseUrl) return undefined;
  if (!amqpUrl || !databaseUrl) {
    const [set, missing] = amqpUrl
      ? ['HOLDFAST_AMQP_URL', 'HOLDFAST_DATABASE_URL']
      : ['HOLDFAST_DATABASE_URL', 'HOLDFAST_AMQP_URL'];
    throw new Error(`${set} is set but ${missing} is not: set both to use servers of yours, or neither`);
  }
  await Promise.all([
    mustAnswer('HOLDFAST_AMQP_URL', amqpUrl),
    mustAnswer('HOLDFAST_DATABASE_URL', databaseUrl),
  ]);
  return {
    amqpUrl,
    databaseUrl,
    source: 'given',
    describe: 'RabbitMQ and PostgreSQL as given by HOLDFAST_AMQP_URL and HOLDFAST_DATABASE_URL',
    broker: undefined,
    database: undefined,
    stop: async () => {},
  };
}

/** A wrong address is better said here, by the variable's name, than by the first of many tests. */
async function mustAnswer(variable: string, value: string): Promise<void> {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  // Forms that only the drivers understand (several hosts, a socket's folder) are left to them.
  const port = Number(url?.port) || DEFAULT_PORTS[url?.protocol ?? ''];
  if (!url?.hostname || port === undefined) return;
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const problem = await connectionProblem({ host, port }, ANSWER_LIMIT_MS);
  if (problem !== undefined)
    throw new Error(`${variable} is set, but nothing answers at ${url.host}: ${problem}`);
}
