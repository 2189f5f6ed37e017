/** The commands: their Zod schemas, and the reading of one action line. */
import { z } from 'zod';
import { ContractError } from './errors.ts';
import { identifierFault } from './identifier.ts';
import { INTEGER_MAX, LIST_LIMIT_DEFAULT, LIST_LIMIT_MAX } from './limits.ts';

const identifier = z.string().superRefine((value, context) => {
  const fault = identifierFault(value);
  if (fault !== undefined) context.addIssue({ code: 'custom', message: fault });
});
const positive = z.int().min(1).max(INTEGER_MAX);
const natural = z.int().min(0).max(INTEGER_MAX);

const SaveFields = z.strictObject({
  id: identifier,
  type: identifier,
  version: positive,
  epoch: natural.optional(),
  ifVersion: natural.optional(),
  nextRcseq: natural.optional(),
});

const DeleteFields = z.strictObject({
  id: identifier,
  version: positive,
  epoch: natural.optional(),
  ifVersion: natural.optional(),
});

const LoadFields = z
  .strictObject({
    id: identifier,
    claim: z.guid().optional(),
    epoch: natural.optional(),
    document: z.boolean().optional(),
    deadline: natural.optional(),
  })
  .refine((load) => load.epoch === undefined || load.claim !== undefined, {
    message: 'is only allowed with a claim',
    path: ['epoch'],
  });

const ListFields = z.strictObject({
  type: identifier,
  after: identifier.optional(),
  limit: z.int().min(1).max(LIST_LIMIT_MAX).optional(),
  documents: z.boolean().optional(),
  deadline: natural.optional(),
});

/** Writes a document as the object's state. */
export interface SaveCommand {
  readonly action: 'save';
  readonly id: string;
  readonly type: string;
  readonly version: number;
  readonly epoch: number;
  /** Apply only if the stored version is exactly this; 0 means that there is no live object. */
  readonly ifVersion: number | undefined;
  /** Goverse's call sequence; `undefined` leaves the stored one. */
  readonly nextRcseq: number | undefined;
}

/** Removes the object; its version and epoch are kept as a tombstone. */
export interface DeleteCommand {
  readonly action: 'delete';
  readonly id: string;
  readonly version: number;
  readonly epoch: number;
  readonly ifVersion: number | undefined;
}

/** Reads the object; with `claim` it first raises the object's epoch. */
export interface LoadCommand {
  readonly action: 'load';
  readonly id: string;
  /** Claim id in lower case. */
  readonly claim: string | undefined;
  /** With `claim`: the epoch the claimant proposes; 0 proposes none. */
  readonly epoch: number;
  /** Whether the document itself is wanted, or only existence, version and epoch. */
  readonly document: boolean;
  /** Unix milliseconds after which the answer is `EXPIRED`. */
  readonly deadline: number | undefined;
}

/** Reads many objects of one type, in id order. */
export interface ListCommand {
  readonly action: 'list';
  readonly type: string;
  readonly after: string | undefined;
  readonly limit: number;
  readonly documents: boolean;
  readonly deadline: number | undefined;
}

export type WriteCommand = SaveCommand | DeleteCommand;
export type PartitionCommand = WriteCommand | LoadCommand;
export type Command = PartitionCommand | ListCommand;
export type Action = Command['action'];

const ACTIONS: ReadonlySet<string> = new Set<Action>(['save', 'delete', 'load', 'list']);

/** An action line whose framing is known but whose fields are invalid. */
export interface InvalidCommand {
  readonly action: Action;
  readonly error: ContractError;
  /** What could be read of the fields, for the dead letter. */
  readonly id: string | undefined;
  readonly type: string | undefined;
  readonly version: number | undefined;
}

export type ActionLine =
  | { readonly valid: true; readonly command: Command }
  | ({ readonly valid: false } & InvalidCommand);

/**
 * Reads one action line, given as text.
 *
 * @throws ContractError `MALFORMED_FRAME` if it is then unknown whether a document line follows: not JSON, not an
 * object with exactly one member, or an unknown action.
 */
export function readActionLine(line: string): ActionLine {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch (cause) {
    throw new ContractError('MALFORMED_FRAME', 'an action line is not JSON', { cause });
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new ContractError('MALFORMED_FRAME', 'an action line is not an object');
  }
  const keys = Object.keys(parsed);
  const action = keys[0];
  if (keys.length !== 1 || action === undefined) {
    throw new ContractError('MALFORMED_FRAME', `an action line has ${keys.length} actions, not one`);
  }
  if (!ACTIONS.has(action)) {
    throw new ContractError('MALFORMED_FRAME', `unknown action ${JSON.stringify(action.slice(0, 40))}`);
  }
  const fields = (parsed as Record<string, unknown>)[action];
  // JSON.parse keeps the last of two members of one name. Every member has one colon outside strings, so a plain
  // line has one for the action and one for each field; only others need a closer look.
  if (colonsOutsideStrings(line) !== 1 + fieldCount(fields)) {
    const repeated = repeatedMember(line);
    if (repeated?.depth === 1) {
      throw new ContractError('MALFORMED_FRAME', 'an action line has 2 actions, not one');
    }
    if (repeated !== undefined) {
      return invalid(action as Action, fields, `the field ${repeated.name.slice(0, 60)} is given twice`);
    }
  }
  return readFields(action as Action, fields);
}

function readFields(action: Action, fields: unknown): ActionLine {
  switch (action) {
    case 'save': {
      const result = parseFields(SaveFields, fields);
      if (!result.success) return invalid(action, fields, describeIssues(result.error));
      const { id, type, version, epoch = 0, ifVersion, nextRcseq } = result.data;
      return { valid: true, command: { action, id, type, version, epoch, ifVersion, nextRcseq } };
    }
    case 'delete': {
      const result = parseFields(DeleteFields, fields);
      if (!result.success) return invalid(action, fields, describeIssues(result.error));
      const { id, version, epoch = 0, ifVersion } = result.data;
      return { valid: true, command: { action, id, version, epoch, ifVersion } };
    }
    case 'load': {
      const result = parseFields(LoadFields, fields);
      if (!result.success) return invalid(action, fields, describeIssues(result.error));
      const { id, claim, epoch = 0, document = true, deadline } = result.data;
      return {
        valid: true,
        command: { action, id, claim: claim?.toLowerCase(), epoch, document, deadline },
      };
    }
    case 'list': {
      const result = parseFields(ListFields, fields);
      if (!result.success) return invalid(action, fields, describeIssues(result.error));
      const { type, after, limit = LIST_LIMIT_DEFAULT, documents = false, deadline } = result.data;
      return { valid: true, command: { action, type, after, limit, documents, deadline } };
    }
    default:
      return action satisfies never;
  }
}

/** Parses strictly; fields beginning `x-` are set aside first, but only when there is something unknown at all. */
function parseFields<Schema extends z.ZodType>(schema: Schema, fields: unknown) {
  const result = schema.safeParse(fields);
  if (result.success || typeof fields !== 'object' || fields === null || Array.isArray(fields)) return result;
  const known = Object.entries(fields).filter(([name]) => !name.startsWith('x-'));
  if (known.length === Object.keys(fields).length) return result;
  return schema.safeParse(Object.fromEntries(known));
}

function describeIssues(error: z.ZodError): string {
  return error.issues
    .slice(0, 5)
    .map((issue) => (issue.path.length === 0 ? issue.message : `${issue.path.join('.')}: ${issue.message}`))
    .join('; ')
    .slice(0, 500);
}

function invalid(action: Action, fields: unknown, message: string): ActionLine {
  const given = typeof fields === 'object' && fields !== null ? (fields as Record<string, unknown>) : {};
  const text = (name: string): string | undefined => {
    const value = given[name];
    return typeof value === 'string' && identifierFault(value) === undefined ? value : undefined;
  };
  const version = given['version'];
  return {
    valid: false,
    action,
    error: new ContractError('INVALID_COMMAND', message),
    id: text('id'),
    type: text('type'),
    version: Number.isSafeInteger(version) && (version as number) >= 0 ? (version as number) : undefined,
  };
}

function fieldCount(fields: unknown): number {
  return typeof fields === 'object' && fields !== null && !Array.isArray(fields)
    ? Object.keys(fields).length
    : 0;
}

function colonsOutsideStrings(json: string): number {
  let count = 0;
  let inString = false;
  for (let i = 0; i < json.length; i += 1) {
    const unit = json.charCodeAt(i);
    if (unit === 0x22) inString = !inString;
    else if (inString) {
      if (unit === 0x5c) i += 1;
    } else if (unit === 0x3a) count += 1;
  }
  return count;
}

/**
 * A member name given twice in one object of the outer two levels of valid JSON: of the outermost if there is one.
 * By hand and not by a regular expression, whose backtracking a string of some megabytes overflows.
 */
function repeatedMember(json: string): { depth: number; name: string } | undefined {
  const seen: Set<string>[] = [];
  let inner: { depth: number; name: string } | undefined;
  for (let at = 0; at < json.length; at += 1) {
    const unit = json.charCodeAt(at);
    if (unit === 0x7b || unit === 0x5b) seen.push(new Set());
    else if (unit === 0x7d || unit === 0x5d) seen.pop();
    if (unit !== 0x22) continue;
    const start = at;
    for (at += 1; json.charCodeAt(at) !== 0x22; at += 1) if (json.charCodeAt(at) === 0x5c) at += 1;
    if (seen.length > 2 || !isFollowedByColon(json, at + 1)) continue;
    const name = json.slice(start, at + 1);
    const key = JSON.parse(name) as string;
    const names = seen.at(-1);
    if (names?.has(key) !== true) names?.add(key);
    else if (seen.length === 1) return { depth: 1, name };
    else inner ??= { depth: seen.length, name };
  }
  return inner;
}

function isFollowedByColon(json: string, from: number): boolean {
  let at = from;
  while (json.charCodeAt(at) === 0x20 || json.charCodeAt(at) === 0x09 || json.charCodeAt(at) === 0x0d)
    at += 1;
  return json.charCodeAt(at) === 0x3a;
}
