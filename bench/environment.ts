/** What was measured, on what: without it no figure means anything. */
import { execFileSync } from 'node:child_process';
import { arch, cpus, release, totalmem, type } from 'node:os';
import { packageRoot } from '../test/servers/package-root.ts';
import type { Rig } from './measure/rig.ts';
import type { Environment } from './report/results.ts';

const SETTINGS = ['fsync', 'synchronous_commit', 'full_page_writes', 'shared_buffers', 'max_wal_size'];

export async function readEnvironment(rig: Rig, servers: string): Promise<Environment> {
  const settings: Record<string, string> = {};
  for (const name of SETTINGS) settings[name] = await rig.database.setting(name);
  return {
    date: new Date().toISOString().slice(0, 10),
    commit: commit(),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryBytes: totalmem(),
    platform: `${type()} ${release()} ${arch()}`,
    node: process.versions.node,
    servers,
    rabbitmq: rig.broker.serverVersion,
    postgresql: await rig.database.setting('server_version'),
    settings,
  };
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
