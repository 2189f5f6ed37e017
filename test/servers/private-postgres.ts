// Runs a PostgreSQL of our own from installed programs: loopback only, its own folder, safe defaults.

import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chown, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePorts } from './free-ports.ts';
import type { InstalledPrograms } from './installed-programs.ts';
import type { Keeper, ServerProgram } from './keeper-client.ts';
import type { PrivateServer } from './private-servers.ts';
import { postgresAnswers } from './server-answers.ts';
import { SERVER_USER, type ServerControl } from './servers.ts';
import { unprivilegedAccount } from './unprivileged-account.ts';

/** Under a second, but recovery after a kill replays up to a gigabyte of log. */
const START_LIMIT_MS = 90_000;

export async function startPrivatePostgres(
  keeper: Keeper,
  programs: InstalledPrograms,
): Promise<PrivateServer> {
  const account = await unprivilegedAccount(['postgres', 'nobody']);
  const folder = join(keeper.folder, 'postgres');
  const data = join(folder, 'data');
  const [port = 0] = await freePorts(1);
  const password = randomBytes(12).toString('hex');
  const passwordFile = join(folder, 'password');
  await mkdir(folder, { mode: 0o700 });
  await writeFile(passwordFile, password, { mode: 0o600 });
  if (account !== undefined) {
    await chown(folder, account.uid, account.gid);
    await chown(passwordFile, account.uid, account.gid);
  }

  // LC_ALL: a locale that the caller's shell names but the machine lacks is an error to these programs.
  const env = { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C' };
  await keeper.run({
    name: 'initdb',
    command: join(programs.postgresFolder, 'initdb'),
    args: [
      `--pgdata=${data}`,
      `--username=${SERVER_USER}`,
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C',
    ],
    env,
    account,
    log: join(keeper.folder, 'initdb.log'),
  });
  await rm(passwordFile);

  const server: ServerProgram = {
    name: 'PostgreSQL',
    command: join(programs.postgresFolder, 'postgres'),
    args: [
      '-D',
      data,
      ...settings({
        port: String(port),
        listen_addresses: '127.0.0.1',
        // No socket: its path has a length limit that the folder's name may exceed.
        unix_socket_directories: '',
        max_connections: '200',
      }),
    ],
    env,
    account,
    log: join(keeper.folder, 'postgres.log'),
    startLimitMs: START_LIMIT_MS,
    // "fast", which ends the sessions and writes a checkpoint; then "immediate".
    signals: [
      { signal: 'SIGINT', waitMs: 15_000 },
      { signal: 'SIGQUIT', waitMs: 3_000 },
    ],
  };
  const start = () => keeper.start(server, () => postgresAnswers({ host: '127.0.0.1', port }, SERVER_USER));
  let shutDown = false;
  const control: ServerControl = {
    pid: () => keeper.pid(server.name),
    stop: async (mode = 'orderly') => {
      if (keeper.pid(server.name) === undefined) return;
      await keeper.stop(server.name, mode);
      shutDown = mode === 'orderly';
    },
    start: async () => {
      if (keeper.pid(server.name) === undefined) await start();
      shutDown = false;
    },
  };
  const version = await installedVersion(server.command);
  await start();
  return {
    url: `postgresql://${SERVER_USER}:${password}@127.0.0.1:${port}/postgres`,
    version,
    control,
    // A killed PostgreSQL leaves shared memory behind, which only its next start on the same data gives back.
    beforeEnd: async () => {
      if (keeper.pid(server.name) === undefined && !shutDown) await control.start();
    },
  };
}

/** The number in "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)". */
async function installedVersion(postgres: string): Promise<string> {
  const { stdout } = await promisify(execFile)(postgres, ['--version']);
  return /\(PostgreSQL\) (\S+)/.exec(stdout)?.[1] ?? 'of unknown version';
}

function settings(values: Record<string, string>): string[] {
  return Object.entries(values).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}
