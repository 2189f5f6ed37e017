/** Reads the options that environment variables give, directly or through `*_FILE`, and refuses unknown ones. */
import { readFileSync } from 'node:fs';
import { configError, fileFault } from './config-error.ts';
import { nearestName } from './nearest-name.ts';
import { OPTION_DESCRIPTIONS } from './option-descriptions.ts';
import type { GivenValue, GivenValues } from './option-source.ts';
import type { OptionName } from './options.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Names the configuration file; not an option itself. */
export const CONFIG_FILE_VARIABLE = 'HOLDFAST_CONFIG';

const PREFIX = 'HOLDFAST_';

/**
 * Kubernetes gives every pod such variables for every service of its namespace, so that a service called `holdfast` or
 * `holdfast-worker` would otherwise keep the worker from starting.
 * See https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
 */
const SERVICE_LINK_NAME =
  /_(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT_[0-9]+_(?:TCP|UDP|SCTP)(?:_[A-Z]+)?)$/;
const SERVICE_LINK_VALUE = /^(?:tcp|udp|sctp):\/\//;

/**
 * The options that the environment gives. An empty variable counts as not set: compose files and charts pass
 * `NAME=${NAME:-}`.
 *
 * @throws HoldfastError `CONFIG_INVALID` for an unknown `HOLDFAST_*` variable, a secret given twice, or a secret's file
 *   that cannot be read.
 */
export function readEnvironment(environment: Environment): GivenValues {
  refuseUnknown(environment);
  const given = new Map<OptionName, GivenValue>();
  for (const { name, environmentName, environmentFileName } of OPTION_DESCRIPTIONS) {
    const value = variable(environment, environmentName);
    const file = environmentFileName === undefined ? undefined : variable(environment, environmentFileName);
    if (environmentFileName !== undefined && file !== undefined) {
      if (value !== undefined) {
        throw configError(
          `${name} is given twice, by ${environmentName} and ${environmentFileName}; unset one`,
        );
      }
      const source = { kind: 'environment', variable: environmentFileName, file } as const;
      given.set(name, { value: readSecret(environmentFileName, file), source });
    } else if (value !== undefined) {
      given.set(name, { value, source: { kind: 'environment', variable: environmentName } });
    }
  }
  return given;
}

/** The value of a variable; `undefined` if it is not set or empty. */
export function variable(environment: Environment, name: string): string | undefined {
  const value = environment[name];
  return value === '' ? undefined : value;
}

function readSecret(variableName: string, path: string): string {
  try {
    // Editors and `echo` end a file with a line break that is not part of the secret; only that one is taken off.
    return readFileSync(path, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    throw configError(`file ${path}, named by ${variableName}, ${fileFault(error)}`, error);
  }
}

function refuseUnknown(environment: Environment): void {
  const known = new Set([CONFIG_FILE_VARIABLE]);
  for (const { environmentName, environmentFileName } of OPTION_DESCRIPTIONS) {
    known.add(environmentName);
    if (environmentFileName !== undefined) known.add(environmentFileName);
  }
  const unknown = Object.entries(environment)
    .filter(([name, value]) => name.startsWith(PREFIX) && !known.has(name) && !isServiceLink(name, value))
    .map(([name]) => name)
    .toSorted();
  if (unknown.length === 0) return;
  throw configError(
    unknown.map((name) => `environment variable ${name} is not known; ${advice(name, known)}`).join('; '),
  );
}

function advice(name: string, known: ReadonlySet<string>): string {
  const withoutFile = name.replace(/_FILE$/, '');
  if (withoutFile !== name && known.has(withoutFile))
    return 'only a secret can be read from a file of its own';
  const nearest = nearestName(name.slice(PREFIX.length), withoutPrefix(known));
  return nearest === undefined ? 'docs/options.md lists all' : `did you mean ${PREFIX}${nearest}?`;
}

/** Compared without what all of them share, which would make any two names look alike. */
function withoutPrefix(names: Iterable<string>): string[] {
  return Array.from(names, (name) => name.slice(PREFIX.length));
}

function isServiceLink(name: string, value: string | undefined): boolean {
  return SERVICE_LINK_NAME.test(name) || (name.endsWith('_PORT') && SERVICE_LINK_VALUE.test(value ?? ''));
}
