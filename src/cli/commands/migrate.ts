/** `holdfast migrate`: brings the database schema to what this version needs. */
import type { CommandContext, CommandDefinition } from '../command-definition.ts';
import { EXIT_CODES, type ExitCode } from '../exit-code.ts';
import { plural } from '../number-text.ts';
import { databaseFault } from '../server-fault.ts';
import { connectionOptions, withDatabase } from '../servers.ts';

interface MigrateFlags {
  readonly dryRun?: boolean;
}

export const MIGRATE: CommandDefinition<MigrateFlags> = {
  name: 'migrate',
  summary: 'bring the database schema up to date',
  description:
    'Runs the migrations that the database lacks, each in a transaction of its own. Safe to repeat, and safe beside ' +
    'running workers: with nothing to do it takes no lock, and ALTER TABLE waits for writers no longer than ' +
    '--lock-timeout-ms. A table goverse_objects that Goverse made is adopted in place.',
  examples: [
    ['holdfast migrate --dry-run', 'what would run?'],
    ['holdfast migrate --database-url postgres://db/holdfast', 'run it'],
  ],
  exits: ['unavailable', 'unfinished'],
  shown: { names: ['databaseUrl', 'connectTimeoutMs', 'lockTimeoutMs'] },
  json: 'choice',
  configure: (command) => {
    command.option('--dry-run', 'only list the migrations that would run');
  },
  run: runMigrate,
};

async function runMigrate(context: CommandContext<MigrateFlags>): Promise<ExitCode> {
  const { flags, output, json } = context;
  const dryRun = flags.dryRun === true;
  const print = async (name: string): Promise<void> => {
    if (!json) await output.print(`${dryRun ? 'would run' : 'ran'} ${name}`);
  };
  const names = dryRun ? await missing(context) : await run(context, print);
  if (json) await output.printJson({ dryRun, [dryRun ? 'missing' : 'ran']: names });
  else if (names.length === 0) await output.print('nothing to do: the schema is up to date');
  else if (dryRun) {
    for (const name of names) await print(name);
    await output.print(`${plural(names.length, 'migration')} would run; nothing was changed`);
  } else await output.print(`${plural(names.length, 'migration')} run: the schema is up to date`);
  return EXIT_CODES.ok;
}

async function run(
  { options }: CommandContext<MigrateFlags>,
  print: (name: string) => Promise<void>,
): Promise<string[]> {
  const { migrate } = await import('../../store/migrate.ts');
  const { StoreError } = await import('../../store/store-error.ts');
  const ran: string[] = [];
  try {
    await migrate(connectionOptions(options, 'migrate'), ({ name }) => {
      ran.push(name);
      void print(name);
    });
    return ran;
  } catch (error) {
    // Before the first statement an error is about reaching the server, which deserves to be named.
    if (error instanceof StoreError && error.connectionLost) throw databaseFault(error, options.databaseUrl);
    throw error;
  }
}

async function missing({ options }: CommandContext<MigrateFlags>): Promise<string[]> {
  const { missingMigrations } = await import('../../store/schema-state.ts');
  return await withDatabase(options, 'migrate', async (connection) =>
    (await missingMigrations(connection)).map(({ name }) => name),
  );
}
