/** Turns commander's complaints into one line each, with the nearest name where one was mistyped. */
import type { Command, CommanderError } from 'commander';
import { nearestName } from '../config/nearest-name.ts';
import { type CommandFailure, usageFailure } from './command-failure.ts';

export function toUsageFailure(
  error: CommanderError,
  program: Command,
  argv: readonly string[],
): CommandFailure {
  const command = commandOf(program, argv);
  const what = error.message.replace(/^error: /, '').replace(/\.$/, '');
  const seeHelp = `${pathOf(command).join(' ')} --help shows what there is`;
  const given = /^unknown (?<kind>option|command) '(?<name>[^']*)'/.exec(what)?.groups;
  if (given === undefined) return usageFailure(what, seeHelp);
  const { kind, name = '' } = given;
  const candidates =
    kind === 'option'
      ? command.options.map((option) => option.long ?? '')
      : program.commands.map((each) => each.name());
  const nearest = nearestName(name.split('=')[0] ?? name, candidates);
  return usageFailure(what, nearest === undefined ? seeHelp : `Did you mean ${nearest}?`);
}

/** The command that the arguments name, or the program itself. */
function commandOf(program: Command, argv: readonly string[]): Command {
  let found = program;
  for (const word of argv) found = found.commands.find((each) => each.name() === word) ?? found;
  return found;
}

/** `holdfast dead-letters list`, word by word. */
function pathOf(command: Command): string[] {
  return [...(command.parent === null ? [] : pathOf(command.parent)), command.name()];
}
