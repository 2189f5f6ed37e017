// Brings RabbitMQ and PostgreSQL up once for all test files, and hands them the addresses: `inject('amqpUrl')`,
// `inject('databaseUrl')`. Without servers the run fails; no test is ever skipped for lack of them.

import type { TestProject } from 'vitest/node';
import { startServers } from './servers/ladder.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    amqpUrl: string;
    /** Of a maintenance database, whose user may CREATE DATABASE. */
    databaseUrl: string;
  }
}

export default async function startForAllTests(project: TestProject): Promise<() => Promise<void>> {
  const servers = await startServers({ log: (line) => console.log(line) });
  console.log(`servers: ${servers.describe}`);
  project.provide('amqpUrl', servers.amqpUrl);
  project.provide('databaseUrl', servers.databaseUrl);
  return () => servers.stop();
}
