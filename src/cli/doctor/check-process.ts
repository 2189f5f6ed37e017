/** Looks at this process: the runtime and its clock. */
import { monotonicClock } from '../../contract/version-clock.ts';
import { type Check, CheckList } from './check.ts';

/** What package.json asks for. */
const NODE_MIN: readonly [major: number, minor: number] = [20, 19];

/** How far the clock of versions may be from the system's before versions are visibly not times any more. */
const CLOCK_DRIFT_MS_MAX = 100;

export function checkProcess(nodeVersion: string = process.versions.node, nowMs = Date.now()): Check[] {
  const list = new CheckList('process');
  const [major = 0, minor = 0] = nodeVersion.split('.').map(Number);
  const [majorMin, minorMin] = NODE_MIN;
  if (major > majorMin || (major === majorMin && minor >= minorMin)) list.ok('Node.js', nodeVersion);
  else {
    const needed = NODE_MIN.join('.');
    list.fail('Node.js', nodeVersion, `Holdfast needs ${needed} or newer; install a current release`);
  }
  const driftMs = monotonicClock()() / 1_000 - nowMs;
  const found = `versions are ${new Date(nowMs).toISOString()} in microseconds`;
  if (Math.abs(driftMs) <= CLOCK_DRIFT_MS_MAX) list.ok('version clock', found);
  else {
    list.warn(
      'version clock',
      `${Math.round(driftMs)} ms from the system's clock`,
      'The system clock was stepped while this process ran; keep it with NTP or chrony',
    );
  }
  return list.checks;
}
