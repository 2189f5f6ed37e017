/**
 * Puts the options together: defaults, then file, then environment, then flags; checked once as a whole, frozen.
 * The only reader of `process.env`. Values of secrets never enter a message.
 */
import { dirname, resolve } from 'node:path';
import type { z } from 'zod';
import { configError, quote } from './config-error.ts';
import { DEFAULT_CONFIG_FILE, readConfigFile } from './config-file.ts';
import { CONFIG_FILE_VARIABLE, type Environment, readEnvironment, variable } from './environment.ts';
import { descriptionOf } from './option-descriptions.ts';
import { OPTION_RELATIONS } from './option-relations.ts';
import { DEFAULT_SOURCE, type GivenValue, type OptionSource, sourceText } from './option-source.ts';
import { isOptionName, OPTION_NAMES, type OptionName, Options } from './options.ts';

/** What a configuration is read from. */
export interface ConfigInput {
  /** Values by option name, as the command line gave them. Keys that are no option are left to the command. */
  readonly flags?: Readonly<Record<string, unknown>> | undefined;
  /** The environment; `process.env` if not given. */
  readonly env?: Environment | undefined;
  /** What `--config` named. Else `HOLDFAST_CONFIG`, else `config/holdfast.yaml` if it exists. */
  readonly configFile?: string | undefined;
}

/** Where the value of each option came from. */
type OptionSources = Readonly<Record<OptionName, OptionSource>>;

/** A configuration and where it came from. */
export interface Config {
  readonly options: Readonly<Options>;
  readonly sources: OptionSources;
}

/**
 * The options, checked and frozen.
 *
 * @throws HoldfastError `CONFIG_INVALID`: one line that names each bad option, where its value came from and what is
 *   allowed.
 */
export function readConfig(input: ConfigInput = {}): Readonly<Options> {
  return readConfigWithSources(input).options;
}

/** Like `readConfig`, with the source of every option. */
export function readConfigWithSources(input: ConfigInput = {}): Config {
  const given = collect(input);
  const values = Object.fromEntries(Array.from(given, ([name, entry]) => [name, valueOf(name, entry)]));
  const parsed = Options.safeParse(values);
  if (!parsed.success) throw configError(complaints(parsed.error, given, values).join('; '));
  const sources = Object.fromEntries(
    OPTION_NAMES.map((name) => [name, given.get(name)?.source ?? DEFAULT_SOURCE]),
  ) as Record<OptionName, OptionSource>;
  return Object.freeze({ options: Object.freeze(parsed.data), sources: Object.freeze(sources) });
}

function collect({ flags = {}, env = process.env, configFile }: ConfigInput): Map<OptionName, GivenValue> {
  const named = variable(env, CONFIG_FILE_VARIABLE);
  let namedBy: string | undefined;
  if (configFile !== undefined) namedBy = '--config';
  else if (named !== undefined) namedBy = CONFIG_FILE_VARIABLE;
  const given = new Map<OptionName, GivenValue>([
    ...readConfigFile(configFile ?? named ?? DEFAULT_CONFIG_FILE, namedBy),
    ...readEnvironment(env),
  ]);
  for (const [name, value] of Object.entries(flags)) {
    if (value === undefined || !isOptionName(name)) continue;
    given.set(name, { value, source: { kind: 'flag', flag: descriptionOf(name).flag } });
  }
  return given;
}

/** Environment variables and flags are text; what does not read as a whole number is left for the schema to refuse. */
function valueOf(name: OptionName, { value, source }: GivenValue): unknown {
  if (typeof value !== 'string') return value;
  if (source.kind === 'file') return name === 'types' ? resolve(dirname(source.path), value) : value;
  return descriptionOf(name).kind === 'integer' && /^[+-]?[0-9]+$/.test(value) ? Number(value) : value;
}

function complaints(
  error: z.ZodError,
  given: ReadonlyMap<OptionName, GivenValue>,
  values: Readonly<Record<string, unknown>>,
): string[] {
  const blamed = new Set<OptionName>();
  const relations = new Set<number>();
  for (const issue of error.issues) {
    if (issue.code === 'custom' && typeof issue.params?.['relation'] === 'number') {
      relations.add(issue.params['relation']);
    } else {
      blamed.add(issue.path[0] as OptionName);
    }
  }
  // A relation may fail only because one of its options is out of range: that is then all there is to say.
  return blamed.size > 0
    ? Array.from(blamed, (name) => rangeComplaint(name, given.get(name)))
    : Array.from(relations, (index) => relationComplaint(index, given, values));
}

function rangeComplaint(name: OptionName, entry: GivenValue | undefined): string {
  const { allowed, secret } = descriptionOf(name);
  const from = sourceText(entry?.source ?? DEFAULT_SOURCE);
  const shown = secret ? ' (its value is not shown)' : `, not ${quote(entry?.value)}`;
  return `${name} (${from}) must be ${allowed}${shown}`;
}

function relationComplaint(
  index: number,
  given: ReadonlyMap<OptionName, GivenValue>,
  values: Readonly<Record<string, unknown>>,
): string {
  const relation = OPTION_RELATIONS[index];
  if (relation === undefined) throw new RangeError(`there is no relation ${index}`);
  const settings = relation.options.map((name) => {
    const value = values[name] ?? descriptionOf(name).defaultValue;
    return `${name} is ${quote(value)} (${sourceText(given.get(name)?.source ?? DEFAULT_SOURCE)})`;
  });
  return `${relation.requirement} must hold, but ${settings.join(', ')}: ${relation.reason}`;
}
