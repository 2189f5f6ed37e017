// Finds the folder of this package: these files run from the source tree (tests) and from `build/` (demo, benchmarks).

import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    const above = dirname(folder);
    if (above === folder) throw new Error('no package.json above test/servers');
    folder = above;
  }
  return folder;
}
