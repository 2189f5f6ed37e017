/** `holdfast dead-letters`: what failed, and what becomes of it. */
import type { Command } from 'commander';
import { type CliSession, toCommand, toGroup } from '../../command-definition.ts';
import { DROP_LETTERS } from './drop.ts';
import { EXPORT_LETTERS } from './export.ts';
import { LIST_LETTERS } from './list.ts';
import { REPLAY_LETTERS } from './replay.ts';
import { SHOW_LETTER } from './show.ts';

export function deadLettersGroup(session: CliSession): Command {
  return toGroup({
    name: 'dead-letters',
    summary: 'list, show, replay, export or drop what failed',
    description:
      'What could not be stored is kept as a dead letter, whole, until somebody decides: replay it after the cause is ' +
      'gone, correct it first, or drop it. docs/dead-letters.md says what to do about each code.',
    examples: [
      ['holdfast dead-letters list', 'what waits to be decided?'],
      ['holdfast dead-letters replay --dry-run', 'what would a replay do?'],
    ],
    commands: [
      toCommand(LIST_LETTERS, session),
      toCommand(SHOW_LETTER, session),
      toCommand(REPLAY_LETTERS, session),
      toCommand(EXPORT_LETTERS, session),
      toCommand(DROP_LETTERS, session),
    ],
  });
}
