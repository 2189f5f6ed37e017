/** What was measured, on what: without it no figure means anything. */
import { execFileSync } from 'node:child_process';
import { arch, cpus, loadavg, release, totalmem, type } from 'node:os';
import { packageRoot } from '../test/servers/package-root.ts';
import type { ServersSource } from '../test/servers/servers.ts';
import type { Rig } from './measure/rig.ts';
import type { Environment } from './report/results.ts';

const SETTINGS = ['fsync', 'synchronous_commit', 'full_page_writes', 'shared_buffers', 'max_wal_size'];

const SOURCES: Readonly<Record<ServersSource, string>> = {
  given: 'given by URL',
  docker: 'in Docker',
  installed: 'private instances of installed programs',
};

export async function readEnvironment(rig: Rig, servers: ServersSource): Promise<Environment> {
  const settings: Record<string, string> = {};
  for (const name of SETTINGS) settings[name] = await rig.database.setting(name);
  return {
    date: new Date().toISOString().slice(0, 10),
    commit: commit(),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryBytes: totalmem(),
    loadAverage: loadavg()[0] ?? 0,
    platform: `${type()} ${release()} ${arch()}`,
    node: process.versions.node,
    servers: SOURCES[servers],
    options: changedOptions(),
    rabbitmq: rig.broker.serverVersion,
    // Packagers add their own version in brackets.
    postgresql: (await rig.database.setting('server_version')).split(' ')[0] ?? '',
    settings,
  };
}

/** Where the servers are is no option that changes a figure, and may hold a password. */
const NOT_TOLD = /URL|_FILE$|^HOLDFAST_CONFIG$/;

/** Workers inherit our environment, so that an option can be tried out; what is set must then stand beside the figures. */
function changedOptions(): Record<string, string> {
  const options: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (name.startsWith('HOLDFAST_') && !NOT_TOLD.test(name)) options[name] = value ?? '';
  }
  return options;
}

/** The commit, with a mark if what is measured is not exactly that. */
function commit(): string {
  try {
    const changed = git('status', '--porcelain', '--', 'src', 'bench').trim() !== '';
    return `${git('rev-parse', '--short=12', 'HEAD').trim()}${changed ? ' with changes' : ''}`;
  } catch {
    return 'unknown';
  }
}

function git(...args: string[]): string {
  return execFileSync('git', args, {
    cwd: packageRoot(),
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
}
