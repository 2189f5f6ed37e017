/** The schema: its defaults, the relations between options, and what is derived from their names. */
import { describe, expect, it } from 'vitest';
import { descriptionOf, OPTION_DESCRIPTIONS } from '../../src/config/option-descriptions.ts';
import { OPTION_RELATIONS } from '../../src/config/option-relations.ts';
import { OPTION_NAMES, Options } from '../../src/config/options.ts';
import { readConfig } from '../../src/config/read-config.ts';

const MIB = 1_048_576;

function read(env: Record<string, string>): unknown {
  return readConfig({ env, configFile: '/dev/null' });
}

describe('options', () => {
  it('have the names that other programs and documents rely on', () => {
    const fixed = [
      'amqpUrl',
      'databaseUrl',
      'prefix',
      'partitions',
      'httpAddress',
      'logLevel',
      'types',
    ] as const;
    expect(fixed.map((name) => descriptionOf(name).environmentName)).toEqual([
      'HOLDFAST_AMQP_URL',
      'HOLDFAST_DATABASE_URL',
      'HOLDFAST_PREFIX',
      'HOLDFAST_PARTITIONS',
      'HOLDFAST_HTTP_ADDRESS',
      'HOLDFAST_LOG_LEVEL',
      'HOLDFAST_TYPES',
    ]);
    expect(descriptionOf('retryDelayMsMin')).toMatchObject({
      environmentName: 'HOLDFAST_RETRY_DELAY_MS_MIN',
      flag: '--retry-delay-ms-min',
    });
  });

  it('each have a variable and a flag of their own, a description and a statement of what is allowed', () => {
    expect(new Set(OPTION_DESCRIPTIONS.map((option) => option.environmentName)).size).toBe(
      OPTION_NAMES.length,
    );
    expect(new Set(OPTION_DESCRIPTIONS.map((option) => option.flag)).size).toBe(OPTION_NAMES.length);
    for (const option of OPTION_DESCRIPTIONS) {
      expect(option.description, option.name).toMatch(/\.$/);
      expect(option.allowed.length, option.name).toBeGreaterThan(3);
      expect(option.defaultValue === undefined, option.name).toBe(option.example !== undefined);
    }
  });

  it('say their unit at the end of the name wherever it is milliseconds or bytes', () => {
    for (const { name, unit } of OPTION_DESCRIPTIONS) {
      if (unit === 'ms') expect(name).toMatch(/Ms(Min|Max)?$/);
      if (unit === 'bytes') expect(name).toMatch(/BytesMax$/);
    }
  });

  it.each([
    ['amqpUrl', 'amqps://u:p%2F@h:5671/v'],
    ['databaseUrl', 'postgresql:///holdfast?host=/var/run/postgresql'],
    ['httpAddress', 'off'],
    ['httpAddress', '[::1]:0'],
    ['httpAddress', 'worker.internal:9464'],
    ['partitions', 64],
    ['workerName', 'holdfast-worker-5d9c7b-x2x4z'],
  ])('accept %s %j', (name, value) => {
    expect(Options.safeParse({ [name]: value }).success).toBe(true);
  });

  it.each([
    ['amqpUrl', 'localhost'],
    ['amqpUrl', 'http://localhost'],
    ['databaseUrl', ''],
    ['httpAddress', ':9464'],
    ['httpAddress', '::1:9464'],
    ['httpAddress', 'http://localhost:9464'],
    ['httpAddress', 'localhost:65536'],
    ['partitions', 128],
    ['partitions', '16'],
    ['prefix', 'amq/x'],
    ['documentBytesMax', 16 * MIB],
    ['unheardOf', 1],
  ])('refuse %s %j', (name, value) => {
    expect(Options.safeParse({ [name]: value }).success).toBe(false);
  });
});

describe('relations between options', () => {
  it.each([
    ['documentBytesMax <= batchBytesMax', { documentBytesMax: 9 * MIB, replyBytesMax: 32 * MIB }],
    ['documentBytesMax <= replyBytesMax', { replyBytesMax: MIB - 1 }],
    ['copyRowsMin <= batchCommandsMax', { batchCommandsMax: 999 }],
    ['retryDelayMsMin <= retryDelayMsMax', { retryDelayMsMin: 5_001 }],
    ['lockTimeoutMs < statementTimeoutMs', { statementTimeoutMs: 5_000 }],
    ['lockTimeoutMs < drainTimeoutMs', { drainTimeoutMs: 5_000 }],
    [
      'max(idleInTransactionTimeoutMs, tcpUserTimeoutMs) + retryDelayMsMax <= 15000',
      { idleInTransactionTimeoutMs: 10_001 },
    ],
    [
      'max(idleInTransactionTimeoutMs, tcpUserTimeoutMs) + retryDelayMsMax <= 15000',
      { tcpUserTimeoutMs: 15_000 },
    ],
  ])('refuse what breaks "%s"', (requirement, values) => {
    const parsed = Options.safeParse(values);
    expect(parsed.error?.issues.map((issue) => issue.message.split(' must hold')[0])).toEqual([requirement]);
  });

  it('each are held by a case above and by the defaults', () => {
    expect(OPTION_RELATIONS.map((relation) => relation.requirement)).toHaveLength(7);
    for (const relation of OPTION_RELATIONS) expect(relation.holds(Options.parse({}))).toBe(true);
  });

  it('are reported with both values, both origins and the reason', () => {
    expect(() => read({ HOLDFAST_BATCH_COMMANDS_MAX: '500' })).toThrow(
      'copyRowsMin <= batchCommandsMax must hold, but copyRowsMin is 1000 (default), ' +
        'batchCommandsMax is 500 (environment variable HOLDFAST_BATCH_COMMANDS_MAX): no batch has more rows',
    );
  });

  it('are not reported beside a value that is out of range by itself', () => {
    expect(() => read({ HOLDFAST_WRITERS: '17' })).toThrow(/^writers .* not "17"$/);
  });
});
