/** The flags that say which letters are meant, the same for every command about letters. */
import { type Command, InvalidArgumentError } from 'commander';
import { REJECT_CODES } from '../../contract/errors.ts';
import type { Connection } from '../../store/connection.ts';
import type { LetterName } from '../../store/find-letter.ts';
import type { LetterFilter } from '../../store/letter-filter.ts';
import { CommandFailure, usageFailure } from '../command-failure.ts';
import { EXIT_CODES } from '../exit-code.ts';
import { moment } from './moment.ts';

export interface LetterFlags {
  readonly code?: readonly string[];
  readonly type?: readonly string[];
  readonly id?: readonly string[];
  readonly partition?: readonly string[];
  readonly node?: readonly string[];
  readonly before?: string;
  readonly after?: string;
}

/** Adds the flags. */
export function addLetterFlags(command: Command): void {
  const heading = 'Which letters (each may be repeated: one of them must hold):';
  const add = (flag: string, text: string, parse: (text: string) => string): void => {
    const option = command.createOption(flag, text).helpGroup(heading);
    option.argParser<readonly string[] | undefined>((value, before) => [...(before ?? []), parse(value)]);
    command.addOption(option);
  };
  add('--code <code>', 'failed for this reason, for example SCHEMA_VIOLATION', code);
  add('--type <type>', 'of objects of this type; an empty one for letters without a type', given);
  add('--id <id>', 'of this object', given);
  add('--partition <p>', 'of this partition: 3, or 16.3 with the number of partitions', partition);
  add('--node <node>', 'published by this node', given);
  for (const [name, text] of [
    ['after', 'failed at this time or later: 2026-11-23T10:00:00Z, or an age: 30min, 2h, 3d'],
    ['before', 'failed before this time'],
  ] as const) {
    command.addOption(command.createOption(`--${name} <time>`, text).helpGroup(heading).argParser(moment));
  }
}

const given = (text: string): string => text;

function code(text: string): string {
  const known = REJECT_CODES.find((each) => each === text.toUpperCase());
  if (known !== undefined) return known;
  throw new InvalidArgumentError(`It must be one of ${REJECT_CODES.join(', ')}.`);
}

function partition(text: string): string {
  if (/^(?:\d{1,2}\.)?\d{1,2}$/.test(text)) return text;
  throw new InvalidArgumentError('It must be a partition such as 3, or 16.3.');
}

/** The flags as a filter; also what the audit remembers. */
export function filterOf(flags: LetterFlags): LetterFilter {
  return {
    codes: flags.code,
    types: flags.type,
    objectIds: flags.id,
    partitions: flags.partition,
    nodes: flags.node,
    after: flags.after,
    before: flags.before,
  };
}

/** Whether anything narrows the letters down. */
export function isNarrow(filter: LetterFilter): boolean {
  return Object.values(filter).some((value) => value !== undefined);
}

/** Reads the number or the id of a letter. @throws CommandFailure if it is neither. */
export function letterName(text: string): LetterName {
  const plain = text.replace(/^#/, '').toLowerCase();
  if (/^[1-9]\d{0,14}$/.test(plain)) return { number: Number(plain) };
  if (/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(plain)) return { letterId: plain };
  throw usageFailure(
    `${JSON.stringify(text)} is neither the number nor the id of a letter`,
    'holdfast dead-letters list --each shows the numbers',
  );
}

/**
 * The filter of a command that takes letters by name as well.
 *
 * @throws CommandFailure if there is no such letter, or it is not open.
 */
export async function namedFilter(
  connection: Connection,
  flags: LetterFlags,
  names: readonly string[],
): Promise<LetterFilter> {
  const filter = filterOf(flags);
  if (names.length === 0) return filter;
  const { findLetter } = await import('../../store/find-letter.ts');
  const { isOpen } = await import('../../store/stored-letter.ts');
  const numbers: number[] = [];
  for (const text of names) {
    const letter = await findLetter(connection, letterName(text));
    if (letter === undefined) throw noSuchLetter(text);
    if (!isOpen(letter)) {
      throw new CommandFailure(
        EXIT_CODES.badInput,
        `letter ${text} is not open: it was ${letter.droppedAt === null ? 'replayed' : 'dropped'}`,
        `holdfast dead-letters show ${text} tells more`,
      );
    }
    numbers.push(letter.number);
  }
  return { ...filter, numbers };
}

export function noSuchLetter(text: string): CommandFailure {
  return new CommandFailure(
    EXIT_CODES.badInput,
    `there is no letter ${text}`,
    'holdfast dead-letters list --each shows what there is; closed ones are forgotten after tombstoneRetentionMs',
  );
}
