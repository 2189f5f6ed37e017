// Rung 4: has apt-get install what is missing, where that is possible without asking anybody.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from './package-root.ts';
import type { Log } from './servers.ts';

/** Whether we are root on Debian, Ubuntu or a relative. */
export function canInstallByApt(): boolean {
  return process.getuid?.() === 0 && existsSync('/etc/debian_version') && existsSync('/usr/bin/apt-get');
}

/** Shows apt-get's output as it comes. */
export async function installByApt(packages: string[], log: Log): Promise<void> {
  for (const name of packages) log(`installing ${name} with apt-get (nothing is started or enabled)`);
  const code = await new Promise<number | string | null>((resolve, reject) => {
    const script = spawn('/bin/sh', [join(packageRoot(), 'test/servers/apt-install.sh'), ...packages], {
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    script.once('error', reject);
    script.once('exit', (exitCode, signal) => resolve(exitCode ?? signal));
  });
  if (code !== 0) throw new Error(`apt-get could not install ${packages.join(' and ')} (${code})`);
}
