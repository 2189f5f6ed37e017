/** Renders `docs/options.md` and `config/holdfast.yaml` from the schema; a test holds both files equal to this. */
import { stringify } from 'yaml';
import { DEFAULT_CONFIG_FILE } from './config-file.ts';
import { CONFIG_FILE_VARIABLE } from './environment.ts';
import { OPTION_DESCRIPTIONS, type OptionDescription } from './option-descriptions.ts';
import { OPTION_GROUPS, type OptionGroup } from './option-fields.ts';
import { OPTION_RELATIONS } from './option-relations.ts';
import { inLargerUnit, quantityText } from './quantity.ts';

/** Columns of the YAML file, comment sign included. */
const YAML_COLUMNS_MAX = 100;

/** The text of `docs/options.md`. */
export function renderOptionsDocument(): string {
  const tables = OPTION_GROUPS.flatMap((group) => [
    `## ${group}`,
    '',
    '| option | default | environment, flag | meaning |',
    '|---|---|---|---|',
    ...inGroup(group).map(tableRow),
    '',
  ]);
  const relations = OPTION_RELATIONS.map(({ requirement, reason }) => `| \`${requirement}\` | ${reason} |`);
  return [
    '<!-- biome-ignore-all format: rendered from src/config/option-fields.ts; a test holds the two equal -->',
    '',
    '# Options',
    '',
    'An option is taken from the first of these that gives it: a flag, an environment variable, the configuration file,',
    'the default. All are checked together at start; a wrong one ends the process with one line that says where it came',
    'from and what is allowed. `holdfast doctor` shows each option with its origin.',
    '',
    `- **File**: YAML, one line \`option: value\` each. The file is the one named by \`--config\` or \`${CONFIG_FILE_VARIABLE}\`,`,
    `  else \`${DEFAULT_CONFIG_FILE}\` in the working directory, if there is one. An unknown option is an error.`,
    '- **Environment**: `HOLDFAST_` and the name in capitals. An empty variable counts as not set. An unknown `HOLDFAST_*`',
    '  variable is an error, except those that Kubernetes adds for services (`HOLDFAST_SERVICE_HOST` and the like).',
    '- **Secrets**: an option with a variable that ends in `_FILE` can also be read from a file that this variable names;',
    '  one line break at its end is taken off. Both variables together are an error.',
    '- **Units** end the name: `Ms` is milliseconds, `Bytes` bytes; `Min` and `Max` say which end of the range it is.',
    '',
    ...tables,
    '## What must hold between options',
    '',
    '| condition | because |',
    '|---|---|',
    ...relations,
    '',
  ].join('\n');
}

/** The text of `config/holdfast.yaml`: every option at its default, commented out. */
export function renderConfigFile(): string {
  const head = comment(
    'The options of Holdfast. Every line shows the default; take off the "#" before an option to change it. ' +
      'Environment variables come before this file, flags before both. docs/options.md says what must hold between them.',
  );
  const sections = OPTION_GROUPS.flatMap((group) => [
    '',
    `# ---- ${group} ----`,
    ...inGroup(group).flatMap((option) => ['', ...yamlOption(option)]),
  ]);
  return [...head, ...sections, ''].join('\n');
}

function inGroup(group: OptionGroup): OptionDescription[] {
  return OPTION_DESCRIPTIONS.filter((option) => option.group === group);
}

function tableRow(option: OptionDescription): string {
  const names = [option.environmentName, option.environmentFileName, option.flag];
  const cells = [
    code(option.name),
    option.defaultValue === undefined ? 'none' : defaultCell(option),
    names
      .filter((name) => name !== undefined)
      .map(code)
      .join('<br>'),
    `${option.description} Must be ${option.allowed}.`,
  ];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

function defaultCell({ defaultValue, unit }: OptionDescription): string {
  if (typeof defaultValue !== 'number') return code(String(defaultValue));
  const larger = inLargerUnit(defaultValue, unit);
  return larger === undefined ? code(String(defaultValue)) : `${code(String(defaultValue))} (${larger})`;
}

function yamlOption(option: OptionDescription): string[] {
  const variables = [option.environmentName, option.environmentFileName].filter((name) => name !== undefined);
  const quantity =
    typeof option.defaultValue === 'number' ? quantityText(option.defaultValue, option.unit) : undefined;
  const unit = option.unit === undefined ? '' : ` Default: ${quantity}.`;
  const none = option.defaultValue === undefined ? ' Default: none.' : '';
  const line = stringify(
    { [option.name]: option.defaultValue ?? option.example },
    { lineWidth: 0 },
  ).trimEnd();
  return [
    ...comment(option.description),
    ...comment(`Must be ${option.allowed}.${unit}${none}`),
    ...comment(`${variables.join(' or ')}, ${option.flag}`),
    `#${line}`,
  ];
}

/** A text as comment lines, broken between words. */
function comment(text: string): string[] {
  const lines: string[] = [];
  let line = '#';
  for (const word of text.split(' ')) {
    if (line.length + 1 + word.length > YAML_COLUMNS_MAX && line !== '#') {
      lines.push(line);
      line = '#';
    }
    line += ` ${word}`;
  }
  return [...lines, line];
}

function code(text: string): string {
  return `\`${text}\``;
}
