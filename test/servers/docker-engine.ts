// Finds out in well under a second whether a Docker engine answers, so that machines without one lose no time.

import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { request } from 'node:http';
import { homedir } from 'node:os';
import { join } from 'node:path';

const PING_LIMIT_MS = 700;

/** Undefined if an engine answers, else why none does. Looks in the same places as testcontainers. */
export async function dockerProblem(): Promise<string | undefined> {
  const configured = await configuredHost();
  if (configured !== undefined) {
    // Encrypted and odd addresses: testcontainers knows how to talk to them, and somebody meant them.
    if (!/^(unix|tcp|http):/.test(configured) || process.env['DOCKER_TLS_VERIFY']) return undefined;
    return ping(configured);
  }
  const sockets = [
    '/var/run/docker.sock',
    ...[process.env['XDG_RUNTIME_DIR']]
      .filter((folder) => folder !== undefined)
      .map((folder) => `${folder}/docker.sock`),
    join(homedir(), '.docker/run/docker.sock'),
    join(homedir(), '.docker/desktop/docker.sock'),
    `/run/user/${process.getuid?.()}/docker.sock`,
  ].filter((socket) => existsSync(socket));
  let problem = 'no Docker engine';
  for (const socket of sockets) {
    const found = await ping(`unix://${socket}`);
    if (found === undefined) return undefined;
    problem = found;
  }
  return problem;
}

async function configuredHost(): Promise<string | undefined> {
  if (process.env['DOCKER_HOST']) return process.env['DOCKER_HOST'];
  const properties = await readFile(join(homedir(), '.testcontainers.properties'), 'utf8').catch(() => '');
  return /^\s*(?:tc|docker)\.host\s*[=:]\s*(\S+)/m.exec(properties)?.[1]?.replaceAll('\\', '');
}

async function ping(address: string): Promise<string | undefined> {
  const url = new URL(address);
  const target = url.hostname
    ? { host: url.hostname, port: url.port || 2375 }
    : { socketPath: decodeURIComponent(url.pathname) };
  return new Promise((resolve) => {
    const question = request({ ...target, path: '/_ping', timeout: PING_LIMIT_MS }, (response) => {
      response.resume();
      resolve(
        response.statusCode === 200 ? undefined : `Docker at ${address} answers ${response.statusCode}`,
      );
    });
    question.once('timeout', () => question.destroy(new Error('no answer')));
    question.once('error', (error: NodeJS.ErrnoException) =>
      resolve(`Docker at ${address}: ${error.code ?? error.message}`),
    );
    question.end();
  });
}
