/**
 * What a command is made of, and how it becomes one of commander's: own flags first, then the options of src/config,
 * then examples and exit codes. Reads the configuration before the command runs.
 */
import { Command, Option } from 'commander';
import type { Config } from '../config/read-config.ts';
import { readConfigWithSources } from '../config/read-config.ts';
import { EXIT_CODES, EXIT_MEANINGS, type ExitCode, type ExitName } from './exit-code.ts';
import { addOptionFlags, type ShownOptions } from './option-flags.ts';
import type { Output } from './output.ts';
import { releaseEarlySignals } from './signals.ts';

/** What a command runs with. */
export interface CommandContext<Flags = object> extends Config {
  readonly flags: Flags;
  readonly output: Output;
  /** Of Holdfast. */
  readonly version: string;
  /** Whether `--json` was given. */
  readonly json: boolean;
  readonly verbose: boolean;
}

export interface CommandDefinition<Flags = object> {
  readonly name: string;
  /** One line, for the list of commands. */
  readonly summary: string;
  /** What a reader must know before using it. */
  readonly description: string;
  /** As commander writes them: `<file>`, `[id...]`. */
  readonly positional?: { readonly syntax: string; readonly meaning: string };
  readonly examples: readonly (readonly [commandLine: string, meaning: string])[];
  /** Beside `ok`, `usage`, `bug` and `configuration`, which every command has. */
  readonly exits: readonly ExitName[];
  readonly shown: ShownOptions;
  /** `choice`: `--json` prints JSON instead of text. `always`: it prints JSON anyway, and takes the flag. */
  readonly json: 'choice' | 'always' | 'never';
  /** Whether it handles signals from its begin, also those that came while it was loaded. */
  readonly holdsSignals?: boolean;
  /** Adds the command's own flags. */
  readonly configure?: (command: Command) => void;
  readonly run: (context: CommandContext<Flags>, values: readonly string[]) => Promise<ExitCode>;
}

/** What all commands of one process share. */
export interface CliSession {
  readonly output: Output;
  readonly version: string;
  /** Whether to show the stack of an error; known once the flags are read. */
  verbose: boolean;
  exitCode: ExitCode;
}

/** What commander makes of the flags that every command takes. */
interface CommonFlags {
  readonly config?: string;
  readonly verbose?: boolean;
  readonly json?: boolean;
}

/** Flags that every command takes, and the program itself. */
export function addCommonFlags(command: Command): void {
  command.addOption(new Option('--config <file>', 'read options from this YAML file').helpGroup('General:'));
  command.addOption(new Option('--verbose', 'show the stack of an error').helpGroup('General:'));
}

/** The commander command of a definition. */
export function toCommand<Flags>(definition: CommandDefinition<Flags>, session: CliSession): Command {
  const command = new Command(definition.name)
    .summary(definition.summary)
    .description(definition.description)
    .helpOption('-h, --help', 'show this help')
    .allowExcessArguments(false);
  if (definition.positional !== undefined) {
    command.argument(definition.positional.syntax, definition.positional.meaning);
  }
  definition.configure?.(command);
  if (definition.json !== 'never') {
    const json = new Option('--json', 'print JSON, for scripts');
    command.addOption(definition.json === 'always' ? json.hideHelp() : json);
  }
  addOptionFlags(command, definition.shown);
  addCommonFlags(command);
  command.addHelpText('after', () => helpFooter(definition));
  command.action(async () => {
    const flags: CommonFlags = flagsOf(command);
    session.verbose = flags.verbose === true;
    if (definition.holdsSignals !== true) await releaseEarlySignals();
    const config = readConfigWithSources({ flags: { ...flags }, configFile: flags.config });
    session.exitCode = await definition.run(
      {
        ...config,
        flags: flags as Flags,
        output: session.output,
        version: session.version,
        json: flags.json === true,
        verbose: session.verbose,
      },
      command.args,
    );
  });
  return command;
}

/** The flags of a command and of everything before it on the command line; its own go first. */
function flagsOf(command: Command): Record<string, unknown> {
  const before = command.parent === null ? {} : flagsOf(command.parent);
  return { ...before, ...command.opts() };
}

/** A command that is only a name before others: `holdfast dead-letters list`. */
export interface CommandGroup
  extends Pick<CommandDefinition, 'name' | 'summary' | 'description' | 'examples'> {
  readonly commands: readonly Command[];
}

/** The commander command of a group. */
export function toGroup(group: CommandGroup): Command {
  const command = new Command(group.name)
    .summary(group.summary)
    .description(group.description)
    .usage('<command> [options]')
    .helpOption('-h, --help', 'show this help; behind a command, its own')
    .helpCommand(false)
    .showSuggestionAfterError(false)
    .enablePositionalOptions();
  addOptionFlags(command, {});
  addCommonFlags(command);
  for (const each of group.commands) command.addCommand(each);
  const exits: readonly ExitName[] = ['badInput', 'unavailable', 'outputFailed', 'unfinished'];
  command.addHelpText('after', () => helpFooter({ examples: group.examples, exits }));
  return command;
}

function helpFooter({ examples, exits }: Pick<CommandDefinition, 'examples' | 'exits'>): string {
  const lines = examples.flatMap(([commandLine, meaning]) => [`  # ${meaning}`, `  ${commandLine}`]);
  const names = new Set<ExitName>(['ok', 'usage', ...exits, 'bug', 'configuration']);
  return [
    '',
    'All options of docs/options.md work, behind the command or before it.',
    '',
    examples.length === 1 ? 'Example:' : 'Examples:',
    ...lines,
    '',
    'Exit codes:',
    ...exitCodeLines((name) => names.has(name)),
  ].join('\n');
}

/** The rows of the table of exit codes. */
export function exitCodeLines(wanted: (name: ExitName) => boolean = () => true): string[] {
  const names = (Object.keys(EXIT_CODES) as ExitName[]).filter(wanted);
  return names.map((name) => `  ${String(EXIT_CODES[name]).padStart(2)}  ${EXIT_MEANINGS[name]}`);
}
