// Looks for the programs of RabbitMQ and PostgreSQL on this machine.

import { accessSync, constants, readdirSync, realpathSync, statSync } from 'node:fs';
import { basename, delimiter, dirname, join } from 'node:path';

export interface InstalledPrograms {
  rabbitmqServer: string;
  /** Erlang's port mapper, which we run ourselves so that no shared one is used or left behind. */
  epmd: string;
  /** The folder with `initdb` and `postgres`. */
  postgresFolder: string;
}

/** What was found, and what is missing, by the names of Debian's packages. */
export function findInstalledPrograms(): { programs: InstalledPrograms | undefined; missing: string[] } {
  const rabbitmqServer = findRabbitmqServer();
  const epmd = findEpmd();
  const postgresFolder = findPostgresFolder();
  const missing: string[] = [];
  if (rabbitmqServer === undefined || epmd === undefined) missing.push('rabbitmq-server');
  if (postgresFolder === undefined) missing.push('postgresql');
  return {
    programs: rabbitmqServer && epmd && postgresFolder ? { rabbitmqServer, epmd, postgresFolder } : undefined,
    missing,
  };
}

function findRabbitmqServer(): string | undefined {
  // Packages put the real script in /usr/lib and a wrapper on the PATH that insists on the user `rabbitmq`.
  const candidates = [
    '/usr/lib/rabbitmq/bin/rabbitmq-server',
    ...onPath('rabbitmq-server'),
    '/usr/sbin/rabbitmq-server',
    ...inFolders('/opt', /^rabbitmq/, 'sbin/rabbitmq-server'),
    '/opt/homebrew/sbin/rabbitmq-server',
  ];
  return candidates.find((file) => isProgram(file) && !basename(realpathSync(file)).includes('wrapper'));
}

function findEpmd(): string | undefined {
  const besideErlang = onPath('erl').map((file) => join(dirname(realpathSync(file)), 'epmd'));
  return [...onPath('epmd'), ...besideErlang].find(isProgram);
}

function findPostgresFolder(): string | undefined {
  const byPackage = [
    ...inFolders('/usr/lib/postgresql', /^\d+$/, 'bin'),
    ...inFolders('/usr', /^pgsql-\d+$/, 'bin'),
    ...inFolders('/opt/homebrew/opt', /^postgresql@\d+$/, 'bin'),
  ];
  const byPath = onPath('postgres').map((file) => dirname(realpathSync(file)));
  return [...byPackage, ...byPath].find(
    (folder) => isProgram(join(folder, 'initdb')) && isProgram(join(folder, 'postgres')),
  );
}

/** `parent/<match>/rest` for every matching folder, highest number first. */
function inFolders(parent: string, match: RegExp, rest: string): string[] {
  let names: string[];
  try {
    names = readdirSync(parent).filter((name) => match.test(name));
  } catch {
    return [];
  }
  const byNumber = new Intl.Collator('en', { numeric: true });
  return names.toSorted((a, b) => byNumber.compare(b, a)).map((name) => join(parent, name, rest));
}

function onPath(program: string): string[] {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter(Boolean);
  return folders.map((folder) => join(folder, program)).filter(isProgram);
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
