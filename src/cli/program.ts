/** The whole command line: every command under one program. Runs it and returns the exit code; never exits itself. */
import { Command, CommanderError } from 'commander';
import { addCommonFlags, type CliSession, exitCodeLines, toCommand } from './command-definition.ts';
import { reportFailure } from './command-failure.ts';
import { deadLettersGroup } from './commands/dead-letters/group.ts';
import { DELETE } from './commands/delete.ts';
import { DOCTOR } from './commands/doctor.ts';
import { LIST } from './commands/list.ts';
import { LOAD } from './commands/load.ts';
import { MIGRATE } from './commands/migrate.ts';
import { OBJECT } from './commands/object.ts';
import { PUBLISH } from './commands/publish.ts';
import { STATUS } from './commands/status.ts';
import { TOPOLOGY } from './commands/topology.ts';
import { WORKER } from './commands/worker.ts';
import { EXIT_CODES, type ExitCode } from './exit-code.ts';
import { addOptionFlags } from './option-flags.ts';
import type { Output } from './output.ts';
import { packageVersion } from './package-version.ts';
import { toUsageFailure } from './usage-error.ts';

const DESCRIPTION =
  'Keeps the state of distributed objects: RabbitMQ in front, PostgreSQL behind, nothing lost, nothing stale.';

/** Behind the list of commands: what they share. */
const FOOTER = `
Options:
  --config <file>       read options from this YAML file
  --verbose             show the stack of an error
  -V, --version         show the version
  -h, --help            show this help; behind a command, its own

Every option can also be given before or after the command, as an environment
variable HOLDFAST_*, or in config/holdfast.yaml. The two that matter are
--amqp-url and --database-url; "holdfast worker --help" shows all of them.

Example:
  # a first look at an installation: is everything there that it needs?
  holdfast doctor --amqp-url amqp://mq --database-url postgres://db/holdfast

Exit codes:
${exitCodeLines().join('\n')}`;

function buildProgram(session: CliSession): Command {
  const program = new Command('holdfast')
    .description(DESCRIPTION)
    .usage('<command> [options]')
    .version(session.version, '-V, --version', 'show the version')
    .helpOption('-h, --help', 'show this help; behind a command, its own')
    .helpCommand('help [command]', 'show the help of a command')
    .showSuggestionAfterError(false)
    .enablePositionalOptions()
    .exitOverride()
    // What is wrong is told once, by the caller.
    .configureOutput({ outputError: () => undefined })
    // Long flags leave less than commander's 40 columns to their description.
    .configureHelp({ minWidthToWrap: 30 });
  addOptionFlags(program, {});
  addCommonFlags(program);
  program.addHelpText('after', FOOTER);
  const add = (heading: string, commands: readonly Command[]): void => {
    program.commandsGroup(heading);
    for (const command of commands) {
      program.addCommand(command.copyInheritedSettings(program));
      for (const each of command.commands) each.copyInheritedSettings(command);
    }
  };
  add('Running:', [toCommand(WORKER, session), toCommand(MIGRATE, session), toCommand(TOPOLOGY, session)]);
  add('Objects:', [
    toCommand(PUBLISH, session),
    toCommand(LOAD, session),
    toCommand(LIST, session),
    toCommand(DELETE, session),
    toCommand(OBJECT, session),
  ]);
  add('Looking:', [toCommand(STATUS, session), toCommand(DOCTOR, session), deadLettersGroup(session)]);
  // The commands are what a reader looks for; options come behind them, in the footer.
  program.configureHelp({ minWidthToWrap: 30, visibleOptions: () => [], subcommandTerm: termOf });
  return program;
}

/** `publish <file>`: what the list of commands shows. */
function termOf(command: Command): string {
  const values = command.registeredArguments.map((argument) => {
    const name = argument.name() + (argument.variadic ? '...' : '');
    return argument.required ? `<${name}>` : `[${name}]`;
  });
  return [command.name(), ...values].join(' ');
}

/** Runs one command line. @param argv without the names of node and of the script. */
export async function runCommandLine(argv: readonly string[], output: Output): Promise<ExitCode> {
  const session: CliSession = { output, version: packageVersion(), verbose: false, exitCode: EXIT_CODES.ok };
  const program = buildProgram(session);
  try {
    await program.parseAsync(argv, { from: 'user' });
    await output.finish();
    return session.exitCode;
  } catch (error) {
    if (error instanceof CommanderError) {
      // Help and version were asked for, and have been shown; without a command the help was shown as a complaint.
      if (error.exitCode === 0) return EXIT_CODES.ok;
      if (error.code === 'commander.help') return EXIT_CODES.usage;
      return fail(toUsageFailure(error, program, argv), session);
    }
    return fail(error, session);
  }
}

function fail(error: unknown, { output, verbose }: CliSession): ExitCode {
  const { line, exitCode, stack } = reportFailure(error);
  output.note(`holdfast: ${line}`);
  if ((verbose || exitCode === EXIT_CODES.bug) && stack !== undefined) output.note(stack);
  return exitCode;
}
