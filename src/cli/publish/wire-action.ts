/** Reads action lines of an input file: as the contract does, but a version may be missing, to be assigned later. */
import {
  type ActionLine,
  type Command,
  type InvalidCommand,
  readActionLine,
} from '../../contract/command.ts';

/** A command of an input file; `version` is `undefined` where the input has none. */
export type InputCommand = Command & { readonly versionGiven: boolean };

export type WireAction =
  | { readonly command: InputCommand; readonly rejected?: undefined }
  | { readonly rejected: InvalidCommand; readonly command?: undefined };

/** The longest valid action line: two identifiers of 255 code points, each an escaped pair of 12 characters. */
export const ACTION_BYTES_MAX = 2 * 255 * 12 + 400;

/** Whether a line looks like an action line, and not like a document: one of our words is its first key. */
export function looksLikeAction(line: Buffer): boolean {
  if (line.length > ACTION_BYTES_MAX) return false;
  return /^\s*\{\s*"(?:save|delete|load|list)"\s*:\s*\{/.test(line.toString('latin1', 0, 256));
}

/** @throws ContractError if the line is none, and it is unknown whether a document follows. */
export function readWireAction(text: string): WireAction {
  const line = readActionLine(text);
  if (line.valid) return { command: { ...line.command, versionGiven: true } };
  const write = line.action === 'save' || line.action === 'delete';
  // Only a missing version is made good; a wrong one stays wrong.
  if (!write || hasVersion(text, line.action)) return rejected(line);
  const completed = readActionLine(withVersion(text));
  return completed.valid ? { command: { ...completed.command, versionGiven: false } } : rejected(completed);
}

function rejected(line: ActionLine & { valid: false }): WireAction {
  return { rejected: line };
}

function hasVersion(text: string, action: string): boolean {
  const fields = (JSON.parse(text) as Record<string, unknown>)[action];
  return typeof fields !== 'object' || fields === null || Array.isArray(fields) || 'version' in fields;
}

/** Puts a version into the text, so that everything else of it is judged as it stands. The action's name has no brace. */
function withVersion(text: string): string {
  const at = text.indexOf('{', text.indexOf('{') + 1) + 1;
  const empty = /^\s*\}/.test(text.slice(at));
  return `${text.slice(0, at)}"version":1${empty ? '' : ','}${text.slice(at)}`;
}
