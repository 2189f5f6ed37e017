/** Shows which options were given and by what. That they are valid was found out before anything else. */

import { loadTypes } from '../../config/load-types.ts';
import { OPTION_DESCRIPTIONS } from '../../config/option-descriptions.ts';
import { sourceText } from '../../config/option-source.ts';
import type { OptionName } from '../../config/options.ts';
import type { Config } from '../../config/read-config.ts';
import { HoldfastError } from '../../contract/errors.ts';
import { redactUrl } from '../../telemetry/redact-url.ts';
import { plural } from '../number-text.ts';
import { type Check, CheckList } from './check.ts';

/** An option, its value as it may be shown, and what gave it. */
export interface OptionOrigin {
  readonly name: OptionName;
  readonly value: string;
  readonly source: string;
  readonly isDefault: boolean;
}

/** Every option in the order of the documentation; of a secret only what is none. */
export function optionOrigins({ options, sources }: Config): OptionOrigin[] {
  return OPTION_DESCRIPTIONS.map(({ name, secret }) => {
    const value = options[name];
    const text = value === undefined ? 'none' : String(value);
    return {
      name,
      value: secret ? redactUrl(text) : text,
      source: sourceText(sources[name]),
      isDefault: sources[name].kind === 'default',
    };
  });
}

export async function checkConfiguration(config: Config): Promise<Check[]> {
  const list = new CheckList('configuration');
  const given = optionOrigins(config).filter(({ isDefault }) => !isDefault);
  list.ok(
    'options',
    `valid; ${given.length} given, ${plural(OPTION_DESCRIPTIONS.length - given.length, 'default')}`,
  );
  await checkTypes(config, list);
  for (const name of ['amqpUrl', 'databaseUrl'] as const) {
    if (config.sources[name].kind !== 'default') continue;
    const { environmentName, flag } = OPTION_DESCRIPTIONS.find((option) => option.name === name) ?? {};
    list.warn(
      name,
      'not given, so a server on this machine is assumed',
      `Set ${environmentName} or ${flag}, unless that is meant`,
    );
  }
  return list.checks;
}

/** Loads the module as a worker does at start. */
async function checkTypes({ options, sources }: Config, list: CheckList): Promise<void> {
  if (options.types === undefined) return;
  try {
    const types = [...(await loadTypes(options.types)).keys()];
    list.ok('types', `${plural(types.length, 'schema')}: ${types.join(', ')}`);
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    const advice = `Correct the module, or what names it: ${sourceText(sources.types)}`;
    list.fail('types', error.message.replace(/^types: /, ''), advice);
  }
}
