/** Looks at this process: the runtime and its clock. */
import { monotonicClock } from '../../contract/version-clock.ts';
import { type Check, CheckList } from './check.ts';

/** What package.json asks for. */
const NODE_MIN: readonly [major: number, minor: number] = [20, 19];

export function checkProcess(nodeVersion: string = process.versions.node): Check[] {
  const list = new CheckList('process');
  const [major = 0, minor = 0] = nodeVersion.split('.').map(Number);
  const [majorMin, minorMin] = NODE_MIN;
  if (major > majorMin || (major === majorMin && minor >= minorMin)) list.ok('Node.js', nodeVersion);
  else {
    const needed = NODE_MIN.join('.');
    list.fail('Node.js', nodeVersion, `Holdfast needs ${needed} or newer; install a current release`);
  }
  const version = Math.floor(monotonicClock()() / 1_000);
  list.ok('version clock', `versions are ${new Date(version).toISOString()} in microseconds`);
  return list.checks;
}
