/** The options of src/config as flags of every command; each command says which of them its help shows. */
import { type Command, Option } from 'commander';
import { OPTION_DESCRIPTIONS, type OptionDescription } from '../config/option-descriptions.ts';
import type { OptionGroup } from '../config/option-fields.ts';
import type { OptionName } from '../config/options.ts';
import { inLargerUnit } from '../config/quantity.ts';

/** Which options a command's help shows; the others work all the same. */
export interface ShownOptions {
  readonly groups?: readonly OptionGroup[];
  readonly names?: readonly OptionName[];
}

/** Adds a flag for every option, under the headings of the documentation. */
export function addOptionFlags(command: Command, shown: ShownOptions): void {
  for (const description of OPTION_DESCRIPTIONS) {
    const option = new Option(`${description.flag} <${placeholder(description)}>`, helpText(description));
    option.helpGroup(`${description.group}:`);
    const isShown =
      shown.groups?.includes(description.group) === true || shown.names?.includes(description.name) === true;
    if (!isShown) option.hideHelp();
    command.addOption(option);
  }
}

/** `url`, `ms`, `bytes`, `n`, `name`. */
function placeholder({ flag, unit, kind }: OptionDescription): string {
  if (unit === 'ms' || unit === 'bytes') return unit;
  return kind === 'integer' ? 'n' : (flag.split('-').at(-1) ?? 'value');
}

/** The first sentence; docs/options.md has the rest. */
function helpText({ description, defaultValue, unit }: OptionDescription): string {
  const sentence = /^.*?[.;](?=\s|$)/.exec(description)?.[0] ?? description;
  const text = sentence.slice(0, -1).replaceAll('`', '');
  if (defaultValue === undefined) return text;
  return `${text} (default: ${typeof defaultValue === 'number' ? shortQuantity(defaultValue, unit) : defaultValue})`;
}

/** `10 s`, `50 ms`, `8 MiB`, `256`. */
function shortQuantity(value: number, unit: string | undefined): string {
  const plain = unit === 'ms' || unit === 'bytes' ? `${value} ${unit}` : String(value);
  return inLargerUnit(value, unit) ?? plain;
}
