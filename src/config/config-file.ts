/** Reads the options a YAML file gives, each with its line. Knows which names exist, not what their values must be. */
import { readFileSync } from 'node:fs';
import { type Document, isMap, isScalar, LineCounter, parseDocument } from 'yaml';
import { configError, fileFault, quote } from './config-error.ts';
import { nearestName } from './nearest-name.ts';
import type { GivenValue, GivenValues } from './option-source.ts';
import { isOptionName, OPTION_NAMES, type OptionName } from './options.ts';

/** The file that is read if none is named, relative to the working directory. */
export const DEFAULT_CONFIG_FILE = 'config/holdfast.yaml';

/**
 * The options that a file gives.
 *
 * @param namedBy what named the file, for the error if it does not exist; `undefined` for the default file, which may
 *   be missing.
 * @throws HoldfastError `CONFIG_INVALID` if it cannot be read, is not YAML, or names an unknown option.
 */
export function readConfigFile(path: string, namedBy: string | undefined): GivenValues {
  const text = readText(path, namedBy);
  if (text === undefined) return new Map();
  const lines = new LineCounter();
  // Pretty errors would quote the line they are about, and with it perhaps a password.
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const fault = document.errors[0] ?? document.warnings[0];
  if (fault !== undefined) {
    const line = lines.linePos(fault.pos[0]).line;
    throw configError(
      `${path}, line ${line}, is not valid YAML: ${fault.code.toLowerCase().replaceAll('_', ' ')}`,
    );
  }
  const { contents } = document;
  if (contents === null || (isScalar(contents) && contents.value === null)) return new Map();
  if (!isMap(contents)) throw configError(`${path} must consist of lines "option: value"`);

  const values = valuesOf(document, path);
  const given = new Map<OptionName, GivenValue>();
  const unknown: string[] = [];
  for (const { key } of contents.items) {
    const line = lines.linePos(isScalar(key) ? (key.range?.[0] ?? 0) : 0).line;
    const name = isScalar(key) ? String(key.value) : String(key);
    if (isOptionName(name)) {
      given.set(name, { value: values[name], source: { kind: 'file', path, line } });
    } else {
      unknown.push(unknownOption(name, `${path}, line ${line}`));
    }
  }
  if (unknown.length > 0) throw configError(unknown.join('; '));
  return given;
}

function readText(path: string, namedBy: string | undefined): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (namedBy === undefined && (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    const origin = namedBy === undefined ? '' : `, named by ${namedBy},`;
    throw configError(`configuration file ${path}${origin} ${fileFault(error)}`, error);
  }
}

/** Aliases are resolved here; the error names neither the alias nor its cause, since `*` may begin a password. */
function valuesOf(document: Document, path: string): Readonly<Record<string, unknown>> {
  try {
    return document.toJS() as Record<string, unknown>;
  } catch {
    throw configError(`${path} is not valid YAML: an alias cannot be resolved`);
  }
}

function unknownOption(name: string, where: string): string {
  const nearest = nearestName(name, OPTION_NAMES);
  const advice = nearest === undefined ? 'docs/options.md lists all' : `did you mean ${nearest}?`;
  return `${where}: ${quote(name)} is not an option; ${advice}`;
}
