/** Opens the table of letters for one command, and keeps others from replaying or dropping at the same time. */
import { hostname, userInfo } from 'node:os';
import type { Options } from '../../config/options.ts';
import type { Connection } from '../../store/connection.ts';
import { CommandFailure } from '../command-failure.ts';
import { EXIT_CODES } from '../exit-code.ts';
import { withDatabase } from '../servers.ts';

/** Who runs this, for the audit. In a container the user often has a number and no name. */
export function whoRuns(readName = (): string => userInfo().username): string {
  let name: string;
  try {
    name = readName();
  } catch {
    name = `uid ${process.getuid?.() ?? 'unknown'}`;
  }
  return `${name}@${hostname()}`;
}

/** Runs something on a connection to a database that has the schema. */
export async function withLetters<T>(
  options: Options,
  purpose: string,
  run: (connection: Connection) => Promise<T>,
): Promise<T> {
  return await withDatabase(options, purpose, async (connection) => {
    const { checkSchema } = await import('../../store/schema-version.ts');
    await checkSchema(connection);
    return await run(connection);
  });
}

/** As `withLetters`, alone. @throws CommandFailure if somebody else replays or drops. */
export async function withLettersAlone<T>(
  options: Options,
  what: 'replay' | 'drop',
  run: (connection: Connection) => Promise<T>,
): Promise<T> {
  return await withLetters(options, `${what} by ${whoRuns()}`, async (connection) => {
    const { takeReplayLock } = await import('../../store/replay-lock.ts');
    const holder = await takeReplayLock(connection);
    if (holder === undefined) return await run(connection);
    const { applicationName, since } = holder;
    const name = applicationName.replace(/^holdfast-cli /, '');
    throw new CommandFailure(
      EXIT_CODES.unfinished,
      `another one is at it: ${name || 'somebody'}${since === null ? '' : `, since ${since}`}`,
      'Wait until it has ended, then run this again',
    );
  });
}
