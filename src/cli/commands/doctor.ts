/** `holdfast doctor`: checks everything that Holdfast needs, with advice for what is not as it should be. */
import type { CommandContext, CommandDefinition } from '../command-definition.ts';
import type { Check, CheckStatus } from '../doctor/check.ts';
import type { OptionOrigin } from '../doctor/check-configuration.ts';
import { EXIT_CODES, type ExitCode } from '../exit-code.ts';
import type { Colour } from '../output.ts';
import { alignedLines } from '../text-table.ts';

interface DoctorFlags {
  readonly options?: boolean;
}

export const DOCTOR: CommandDefinition<DoctorFlags> = {
  name: 'doctor',
  summary: 'check everything that is needed, with advice',
  description:
    'Checks this process, the configuration, RabbitMQ and PostgreSQL: one line for each check, ok, warn or FAIL, with ' +
    'what to do about it. Changes nothing; to try out rights in RabbitMQ it uses a queue of its own that vanishes.',
  examples: [
    ['holdfast doctor', 'check all'],
    ['holdfast doctor --options', 'and show every option, with what gave it'],
    ['holdfast doctor --json | jq \'.checks[] | select(.status != "ok")\'', 'for scripts'],
  ],
  exits: ['badInput', 'unavailable'],
  shown: { names: ['amqpUrl', 'databaseUrl', 'prefix', 'partitions', 'connectTimeoutMs'] },
  json: 'choice',
  configure: (command) => {
    command.option('--options', 'show every option, not only those that were given');
  },
  run: runDoctor,
};

async function runDoctor(context: CommandContext<DoctorFlags>): Promise<ExitCode> {
  const { options, output, json } = context;
  const [{ checkProcess }, { checkConfiguration, optionOrigins }, { checkBroker }, { checkDatabase }] =
    await Promise.all([
      import('../doctor/check-process.ts'),
      import('../doctor/check-configuration.ts'),
      import('../doctor/check-broker.ts'),
      import('../doctor/check-database.ts'),
    ]);
  const [configuration, broker, database] = await Promise.all([
    checkConfiguration(context),
    checkBroker(options),
    checkDatabase(options),
  ]);
  const checks = [...checkProcess(), ...configuration, ...broker, ...database];
  const origins = optionOrigins(context);
  if (json) {
    await output.printJson({ ok: !checks.some(isBad), checks, options: origins });
  } else await print(context, checks, origins);
  if (checks.some(({ status }) => status === 'unreachable')) return EXIT_CODES.unavailable;
  return checks.some(({ status }) => status === 'fail') ? EXIT_CODES.badInput : EXIT_CODES.ok;
}

const isBad = ({ status }: Check): boolean => status === 'fail' || status === 'unreachable';

const LABELS: Readonly<Record<CheckStatus, readonly [label: string, colour: Colour]>> = {
  ok: ['ok', 'green'],
  warn: ['warn', 'yellow'],
  fail: ['FAIL', 'red'],
  unreachable: ['FAIL', 'red'],
};

async function print(
  { flags, output }: CommandContext<DoctorFlags>,
  checks: readonly Check[],
  origins: readonly OptionOrigin[],
): Promise<void> {
  const nameWidth = Math.max(...checks.map(({ name }) => name.length));
  const indent = ' '.repeat(nameWidth + 10);
  const shown = flags.options === true ? origins : origins.filter(({ isDefault }) => !isDefault);
  let area = '';
  for (const check of checks) {
    if (check.area !== area) {
      await output.print(...(area === '' ? [] : ['']), output.paint('bold', check.area));
      area = check.area;
    }
    const [label, colour] = LABELS[check.status];
    const name = check.name.padEnd(nameWidth);
    await output.print(`  ${output.paint(colour, label.padEnd(4))}  ${name}  ${check.found}`);
    if (check.advice !== undefined) await output.print(`${indent}-> ${check.advice}`);
    if (check.name !== 'options') continue;
    const rows = shown.map(({ name: option, value, source }) => [option, value, source]);
    await output.print(...alignedLines(rows).map((line) => indent + line));
  }
  const failed = checks.filter(isBad).length;
  const warned = checks.filter(({ status }) => status === 'warn').length;
  await output.print('', summary(checks.length, failed, warned));
}

function summary(count: number, failed: number, warned: number): string {
  if (failed + warned === 0) return `all ${count} checks are ok`;
  return `${count} checks: ${failed} failed, ${warned} with a warning`;
}
