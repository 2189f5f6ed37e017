/** What is in a letter: the commands that its bytes are today, by the contract of this version. */
import type { DeleteCommand, SaveCommand } from '../contract/command.ts';
import { ContractError } from '../contract/errors.ts';
import { decodeFrame } from '../contract/frame.ts';
import { COMMANDS_TYPE } from '../contract/names.ts';
import { schemaViolation, type TypeSchemas } from '../contract/type-schemas.ts';
import type { WholeLetter } from '../store/stored-letter.ts';

/** A save or delete that is valid, with its place in the body: `[start, end)` with the last newline. */
export interface LetterWrite {
  readonly command: SaveCommand | DeleteCommand;
  readonly start: number;
  readonly end: number;
  readonly documentStart: number;
  readonly documentEnd: number;
}

/** A command that a worker would reject. */
interface InvalidPart {
  readonly error: ContractError;
  readonly start: number;
  readonly end: number;
}

export interface LetterContent {
  readonly writes: readonly LetterWrite[];
  readonly invalid: readonly InvalidPart[];
  /** Loads and claims, which nobody waits for any more. */
  readonly loads: number;
  /** Set where the bytes are no frame; then there is nothing else. */
  readonly error: ContractError | undefined;
}

/** A letter's bytes and what they claimed to be. */
export type LetterBytes = Pick<WholeLetter, 'body' | 'messageType'>;

export interface ReadContentOptions {
  readonly documentBytesMax: number;
  /** Of documents by type, as workers have them; none if not given. */
  readonly schemas?: TypeSchemas | undefined;
}

/** Reads a letter as a worker would. Any bytes give a content. */
export function readContent(
  { body, messageType }: LetterBytes,
  { documentBytesMax, schemas }: ReadContentOptions,
): LetterContent {
  const writes: LetterWrite[] = [];
  const invalid: InvalidPart[] = [];
  let loads = 0;
  try {
    const entries = decodeFrame(messageType ?? COMMANDS_TYPE, body, { place: 'partition', documentBytesMax });
    for (const { command, rejected, ...position } of entries) {
      if (rejected !== undefined) invalid.push({ error: rejected.error, ...position });
      else if (command.action === 'load') loads += 1;
      else {
        const { documentStart, documentEnd } = position;
        const schema = command.action === 'save' ? schemas?.get(command.type) : undefined;
        const error =
          schema === undefined || command.action !== 'save'
            ? undefined
            : schemaViolation(schema, command.type, body.toString('utf8', documentStart, documentEnd));
        if (error === undefined) writes.push({ command, ...position });
        else invalid.push({ error, ...position });
      }
    }
  } catch (error) {
    if (!(error instanceof ContractError)) throw error;
    return { writes: [], invalid: [], loads: 0, error };
  }
  return { writes, invalid, loads, error: undefined };
}

/** Why none of it can be applied; `undefined` if something can. */
export function faultOf({ writes, invalid, error }: LetterContent): ContractError | undefined {
  if (writes.length > 0) return undefined;
  return error ?? invalid[0]?.error;
}
