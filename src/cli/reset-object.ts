/**
 * Gives one object another version after a wild one: checks that it makes sense, says what it means, and does it.
 *
 * What is refused without --force: to lower a version that is not ahead of time, since that could only let older states
 * back in; and to set one that is itself ahead of time, which would be the same mistake again.
 */
import type { Options } from '../config/options.ts';
import type { Connection } from '../store/connection.ts';
import type { ObjectDetails } from '../store/object-details.ts';
import type { CommandContext } from './command-definition.ts';
import { CommandFailure, usageFailure } from './command-failure.ts';
import { EXIT_CODES, type ExitCode } from './exit-code.ts';
import { versionTime } from './number-text.ts';

export interface ResetFlags {
  readonly to?: number;
  readonly yes?: boolean;
  readonly force?: boolean;
}

/** @throws CommandFailure if there is nothing to reset, it makes no sense, or `--yes` is missing. */
export async function resetObject(
  { flags, options, output, json }: CommandContext<ResetFlags>,
  connection: Connection,
  id: string,
  { row, tombstone }: ObjectDetails,
): Promise<ExitCode> {
  if (row === undefined && tombstone === undefined) {
    throw new CommandFailure(
      EXIT_CODES.badInput,
      `there is no object ${JSON.stringify(id)}, and no tombstone`,
      'Nothing is in the way of a save; check the id',
    );
  }
  const from = Math.max(row?.version ?? 0, tombstone?.version ?? 0);
  const to = flags.to ?? Date.now() * 1_000;
  if (flags.force !== true) refuseUnreasonable(id, from, to, options);
  const change = `the version of ${JSON.stringify(id)} from ${shown(from)} to ${shown(to)}`;
  if (flags.yes !== true) {
    output.note(`would set ${change}`);
    for (const line of consequences(to)) output.note(line);
    throw usageFailure('nothing was changed', 'Add --yes to do it');
  }
  const { resetVersion } = await import('../store/reset-version.ts');
  if (!(await resetVersion(connection, id, from, to))) {
    throw new CommandFailure(
      EXIT_CODES.unfinished,
      `nothing was changed: somebody wrote ${JSON.stringify(id)} meanwhile`,
      'Look at it again with holdfast object, then repeat',
    );
  }
  if (json) await output.printJson({ id, from, to });
  else await output.print(`set ${change}`, ...consequences(to));
  return EXIT_CODES.ok;
}

function refuseUnreasonable(id: string, from: number, to: number, { versionAheadWarnMs }: Options): void {
  const latest = (Date.now() + versionAheadWarnMs) * 1_000;
  if (from <= latest) {
    throw new CommandFailure(
      EXIT_CODES.badInput,
      `the version of ${JSON.stringify(id)}, ${shown(from)}, is not ahead of time`,
      'A reset could only let older states back in; add --force if that is what you want',
    );
  }
  if (to > latest) {
    throw usageFailure(
      `--to ${shown(to)} is ahead of time itself`,
      'Leave it out for a version of now, or add --force',
    );
  }
}

function consequences(to: number): string[] {
  return [
    `  From now on a save or delete of it above ${to} is applied, one below is superseded.`,
    '  Commands still on their way with a version between the two will be applied, even if they are older.',
    '  Object nodes that have it in memory know the old version and will use it again: let them drop it first,',
    '  with client.release(id), which also forgets the version.',
  ];
}

function shown(version: number): string {
  const time = versionTime(version);
  return time === undefined ? String(version) : `${version} (${time})`;
}
