/**
 * Frames: bytes to commands and back. Any bytes give entries or a `ContractError`, never another throw.
 *
 * An entry keeps offsets into the frame rather than copies: documents go to PostgreSQL, and rejected commands to their
 * dead letters, byte for byte as they came.
 */
import { isUtf8 } from 'node:buffer';
import {
  type ActionLine,
  type Command,
  type DeleteCommand,
  type InvalidCommand,
  type ListCommand,
  type LoadCommand,
  type PartitionCommand,
  readActionLine,
  type SaveCommand,
} from './command.ts';
import { documentFault } from './document.ts';
import { ContractError } from './errors.ts';
import { DOCUMENT_BYTES_DEFAULT, FRAME_BYTES_MAX, FRAME_COMMANDS_MAX } from './limits.ts';
import { COMMANDS_TYPE } from './names.ts';
import { readPlainWrite } from './plain-write.ts';

const NEWLINE = 0x0a;

/** Where an entry's lines are in its frame: `[start, end)` with the last newline, the document without it. */
interface Position {
  readonly start: number;
  readonly end: number;
  /** Equal to `documentEnd` where there is no document. */
  readonly documentStart: number;
  readonly documentEnd: number;
}

interface ValidEntry<C extends Command = Command> extends Position {
  readonly command: C;
  readonly rejected?: undefined;
}

/** A well-framed command that is invalid: it becomes a dead letter of its own, and its neighbours go on. */
interface RejectedEntry extends Position {
  readonly rejected: InvalidCommand;
  readonly command?: undefined;
}

export type Entry<C extends Command = Command> = ValidEntry<C> | RejectedEntry;

/** Which queue a frame came from decides which commands belong there. */
export type FramePlace = 'partition' | 'loads';

export interface DecodeOptions {
  readonly place: FramePlace;
  /** Largest document in bytes, at most `DOCUMENT_BYTES_MAX`. */
  readonly documentBytesMax?: number;
}

/**
 * Reads a frame.
 *
 * @param type the AMQP `type` property.
 * @throws ContractError for the whole frame: `UNSUPPORTED_VERSION`, `TOO_LARGE` or `MALFORMED_FRAME`.
 */
export function decodeFrame(
  type: unknown,
  body: Buffer,
  options: { readonly place: 'partition'; readonly documentBytesMax?: number },
): Entry<PartitionCommand>[];
export function decodeFrame(type: unknown, body: Buffer, options: DecodeOptions): Entry[];
export function decodeFrame(type: unknown, body: Buffer, options: DecodeOptions): Entry[] {
  if (type !== COMMANDS_TYPE) {
    throw new ContractError('UNSUPPORTED_VERSION', `the message type is not ${COMMANDS_TYPE}`);
  }
  if (body.length === 0) throw new ContractError('MALFORMED_FRAME', 'the frame is empty');
  if (!isUtf8(body)) throw new ContractError('MALFORMED_FRAME', 'the frame is not UTF-8');
  const documentBytesMax = options.documentBytesMax ?? DOCUMENT_BYTES_DEFAULT;
  const entries: Entry[] = [];
  let at = 0;
  while (at < body.length) {
    if (entries.length === FRAME_COMMANDS_MAX) {
      throw new ContractError('TOO_LARGE', `the frame has more than ${FRAME_COMMANDS_MAX} commands`);
    }
    if (entries.length === 1 && body.length > FRAME_BYTES_MAX) {
      throw new ContractError(
        'TOO_LARGE',
        `the frame has ${body.length} bytes, more than ${FRAME_BYTES_MAX}, and more than one command`,
      );
    }
    const entry = decodeEntry(body, at, options.place, documentBytesMax);
    entries.push(entry);
    at = entry.end;
  }
  if (entries.length > 1 && entries.some(isList)) {
    throw new ContractError('MALFORMED_FRAME', 'a list is not alone in its frame');
  }
  return entries;
}

function isList(entry: Entry): boolean {
  return (entry.command ?? entry.rejected)?.action === 'list';
}

function decodeEntry(body: Buffer, start: number, place: FramePlace, documentBytesMax: number): Entry {
  const actionEnd = lineEnd(body, start);
  const plain = readPlainWrite(body, start, actionEnd);
  const line =
    plain === undefined
      ? readActionLine(body.toString('utf8', start, actionEnd))
      : ({ valid: true, command: plain } as const);
  const action = line.valid ? line.command.action : line.action;
  let end = Math.min(actionEnd + 1, body.length);
  if (place === 'partition' && action === 'list') {
    throw new ContractError('MALFORMED_FRAME', 'a list does not belong into a partition');
  }
  if (action !== 'save') {
    const position = { start, end, documentStart: end, documentEnd: end };
    return judgePlace(line, place, position);
  }
  if (end >= body.length) {
    throw new ContractError('MALFORMED_FRAME', 'a save at the end has no document');
  }
  const documentStart = end;
  const documentEnd = lineEnd(body, documentStart);
  end = Math.min(documentEnd + 1, body.length);
  const position = { start, end, documentStart, documentEnd };
  if (!line.valid) return { rejected: line, ...position };
  const error = documentError(body, documentStart, documentEnd, documentBytesMax);
  if (error === undefined) return judgePlace(line, place, position);
  const { id, type, version } = line.command as SaveCommand;
  return { rejected: { action, error, id, type, version }, ...position };
}

/** Refuses what does not belong into the queue of unordered loads: writes, and claims, which are writes. */
function judgePlace(line: ActionLine, place: FramePlace, position: Position): Entry {
  if (!line.valid) return { rejected: line, ...position };
  const command = line.command;
  if (place === 'partition') {
    // Written out: copying what is in `position` takes several times as long, for every command there is.
    const { start, end, documentStart, documentEnd } = position;
    return { command, start, end, documentStart, documentEnd };
  }
  const misplaced =
    command.action === 'save' ||
    command.action === 'delete' ||
    (command.action === 'load' && command.claim !== undefined);
  if (!misplaced) return { command, ...position };
  const what = command.action === 'load' ? 'a load with a claim' : `a ${command.action}`;
  const error = new ContractError('INVALID_COMMAND', `${what} belongs into the object's partition`);
  const { id } = command;
  const type = command.action === 'save' ? command.type : undefined;
  const version = command.action === 'load' ? undefined : command.version;
  return { rejected: { action: command.action, error, id, type, version }, ...position };
}

function documentError(
  body: Buffer,
  start: number,
  end: number,
  bytesMax: number,
): ContractError | undefined {
  if (end - start > bytesMax) {
    return new ContractError('TOO_LARGE', `the document has ${end - start} bytes, more than ${bytesMax}`);
  }
  const fault = documentFault(body, start, end);
  if (fault !== undefined) return new ContractError(fault.code, fault.message);
  if (mayBeActionLine(body, start, end) && isActionLine(body.toString('utf8', start, end))) {
    return new ContractError(
      'INVALID_DOCUMENT',
      'the document is missing: an action line stands in its place',
    );
  }
  return undefined;
}

/**
 * A publisher who forgets a document makes the next action line pass for one; stored so, the command in it would be
 * lost silently. Only what is a complete, valid command is taken for one. This first look costs a few bytes.
 */
function mayBeActionLine(body: Buffer, start: number, end: number): boolean {
  const quote = body[start + 1] === QUOTE ? start + 1 : body.indexOf(QUOTE, start);
  if (quote < 0 || quote + 1 >= end) return false;
  // A name may be spelt with escapes.
  if (body[quote + 1] === BACKSLASH) return true;
  return ACTION_NAMES.some((name) => quote + name.length <= end && standsAt(body, quote, name));
}

/** By hand: `Buffer.compare` costs more than the few bytes that are mostly looked at. */
function standsAt(body: Buffer, at: number, name: Buffer): boolean {
  for (let i = 0; i < name.length; i += 1) if (body[at + i] !== name[i]) return false;
  return true;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const ACTION_NAMES = ['"save"', '"delete"', '"load"', '"list"'].map((name) => Buffer.from(name));

function isActionLine(line: string): boolean {
  try {
    return readActionLine(line).valid;
  } catch (error) {
    if (error instanceof ContractError) return false;
    throw error;
  }
}

function lineEnd(body: Buffer, from: number): number {
  const at = body.indexOf(NEWLINE, from);
  return at < 0 ? body.length : at;
}

type Encodable =
  | (Pick<SaveCommand, 'action' | 'id' | 'type' | 'version'> &
      Partial<Pick<SaveCommand, 'epoch' | 'ifVersion' | 'nextRcseq'>>)
  | (Pick<DeleteCommand, 'action' | 'id' | 'version'> & Partial<Pick<DeleteCommand, 'epoch' | 'ifVersion'>>)
  | (Pick<LoadCommand, 'action' | 'id'> & Partial<Omit<LoadCommand, 'action' | 'id'>>)
  | (Pick<ListCommand, 'action' | 'type'> & Partial<Omit<ListCommand, 'action' | 'type'>>);

/**
 * The lines of one command. Fields that have their default are left out.
 *
 * @param document for a save: one JSON object on one line, as text or UTF-8 bytes without a newline.
 */
export function encodeCommand(command: Encodable, document?: string | Uint8Array): Buffer {
  const { action, ...fields } = command;
  const given: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined && DEFAULTS[name] !== value) given[name] = value;
  }
  const line = `${JSON.stringify({ [action]: given })}\n`;
  if (document === undefined) return Buffer.from(line, 'utf8');
  if (typeof document === 'string') return Buffer.from(`${line}${document}\n`, 'utf8');
  return Buffer.concat([Buffer.from(line, 'utf8'), document, Buffer.from('\n')]);
}

const DEFAULTS: Readonly<Record<string, unknown>> = { epoch: 0, document: true, documents: false };
