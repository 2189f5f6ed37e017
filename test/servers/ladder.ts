// The servers ladder: brings up a RabbitMQ and a PostgreSQL for tests, demo, benchmarks and chaos runs, in the first
// of these ways that applies: two URLs are given; Docker; installed programs; apt-get. Needs nothing of this
// machine but Node.

import { canInstallByApt, installByApt } from './apt-installer.ts';
import { dockerProblem } from './docker-engine.ts';
import { startDockerServers } from './docker-servers.ts';
import { givenServers } from './given-servers.ts';
import { findInstalledPrograms, type InstalledPrograms } from './installed-programs.ts';
import { startPrivateServers } from './private-servers.ts';
import type { Log, Servers, ServersSource } from './servers.ts';

export type { Servers } from './servers.ts';

export interface StartOptions {
  /** Takes progress, line by line. Standard error by default. */
  log?: Log;
  /** This way and no other, as a test of it needs. `installed` includes an installation by apt-get. */
  only?: ServersSource;
}

/** Throws one clear message if there is no way. */
export async function startServers(options: StartOptions = {}): Promise<Servers> {
  const { log = (line) => void process.stderr.write(`${line}\n`), only } = options;
  const allows = (source: ServersSource) => only === undefined || only === source;
  const obstacles: string[] = [];

  if (allows('given')) {
    const given = await givenServers();
    if (given !== undefined) return given;
    obstacles.push('HOLDFAST_AMQP_URL and HOLDFAST_DATABASE_URL are not set');
  }
  if (allows('docker')) {
    const problem = await dockerProblem();
    if (problem === undefined) {
      try {
        return await startDockerServers(log);
      } catch (error) {
        log(`Docker answers but is of no use: ${messageOf(error)}`);
        obstacles.push(`Docker: ${messageOf(error)}`);
      }
    } else {
      obstacles.push(problem);
    }
  }
  if (allows('installed')) {
    const programs = await installedPrograms(log, obstacles);
    if (programs !== undefined) return startPrivateServers(programs, log);
  }
  throw new Error(
    [
      `No RabbitMQ and PostgreSQL to work with (${obstacles.join('; ')}). Any one of these helps:`,
      '- set HOLDFAST_AMQP_URL and HOLDFAST_DATABASE_URL to servers of yours',
      '- start Docker',
      '- install RabbitMQ and PostgreSQL, on Debian and Ubuntu: sudo apt-get install rabbitmq-server postgresql',
    ].join('\n'),
  );
}

async function installedPrograms(log: Log, obstacles: string[]): Promise<InstalledPrograms | undefined> {
  let { programs, missing } = findInstalledPrograms();
  if (programs === undefined && canInstallByApt()) {
    await installByApt(missing, log);
    ({ programs, missing } = findInstalledPrograms());
  }
  if (programs === undefined) obstacles.push(`not installed: ${missing.join(', ')}`);
  return programs;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
