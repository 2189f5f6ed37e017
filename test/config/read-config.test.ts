/** The order of sources, the checks, and what an operator is told. Every environment is given; none is inherited. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OPTION_DESCRIPTIONS } from '../../src/config/option-descriptions.ts';
import { sourceText } from '../../src/config/option-source.ts';
import { OPTION_NAMES, Options } from '../../src/config/options.ts';
import { type ConfigInput, readConfig, readConfigWithSources } from '../../src/config/read-config.ts';
import { HoldfastError } from '../../src/contract/errors.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-config-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/** A configuration from an empty file, unless one is given, so that no file of the repository takes part. */
function read(input: ConfigInput & { yaml?: string } = {}): Readonly<Options> {
  return readConfig({ env: {}, configFile: file('holdfast.yaml', input.yaml ?? ''), ...input });
}

/** The database URL read from a file with this text. */
function databaseUrlIn(text: string): string {
  return read({ env: { HOLDFAST_DATABASE_URL_FILE: file('database-url', text) } }).databaseUrl;
}

function fault(run: () => unknown): HoldfastError {
  try {
    run();
  } catch (error) {
    if (error instanceof HoldfastError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('the order of sources', () => {
  it('takes the defaults where nothing is given', () => {
    expect(read()).toEqual(Options.parse({}));
    expect(read()).toMatchObject({
      prefix: 'holdfast',
      partitions: 16,
      writers: 2,
      httpAddress: '127.0.0.1:9464',
    });
    expect(read()).not.toHaveProperty('types');
  });

  it('prefers the file to the default, the environment to the file, and a flag to all', () => {
    const yaml = 'writers: 3\nloadConnections: 3\nprefix: from-file\n';
    const env = { HOLDFAST_LOAD_CONNECTIONS: '4', HOLDFAST_PREFIX: 'from-env' };
    const options = read({ yaml, env, flags: { prefix: 'from-flag' } });
    expect(options).toMatchObject({ writers: 3, loadConnections: 4, prefix: 'from-flag', partitions: 16 });
  });

  it('says of every option where it came from', () => {
    const configFile = file('a.yaml', '# first\nwriters: 3\nprefix: from-file\n');
    const secret = file('amqp-url', 'amqp://u:p@h/v\n');
    const env = { HOLDFAST_PREFIX: 'from-env', HOLDFAST_AMQP_URL_FILE: secret };
    const { sources } = readConfigWithSources({ configFile, env, flags: { logLevel: 'warn' } });
    expect(Object.keys(sources)).toEqual(OPTION_NAMES);
    expect(sourceText(sources.writers)).toBe(`file ${configFile}, line 2`);
    expect(sourceText(sources.prefix)).toBe('environment variable HOLDFAST_PREFIX');
    expect(sourceText(sources.amqpUrl)).toBe(`environment variable HOLDFAST_AMQP_URL_FILE, file ${secret}`);
    expect(sourceText(sources.logLevel)).toBe('flag --log-level');
    expect(sourceText(sources.partitions)).toBe('default');
  });

  it('reads every option from its environment variable and from its flag', () => {
    for (const { name, environmentName, kind, defaultValue, example } of OPTION_DESCRIPTIONS) {
      const value = String(defaultValue ?? example);
      const expected = kind === 'integer' ? Number(value) : value;
      expect(read({ env: { [environmentName]: value } })[name], environmentName).toBe(expected);
      expect(read({ flags: { [name]: value } })[name], name).toBe(expected);
    }
  });

  it('takes the file that HOLDFAST_CONFIG names, and rather the one that --config names', () => {
    const one = file('one.yaml', 'writers: 3');
    const two = file('two.yaml', 'writers: 5');
    expect(readConfig({ env: { HOLDFAST_CONFIG: one } }).writers).toBe(3);
    expect(readConfig({ env: { HOLDFAST_CONFIG: one }, configFile: two }).writers).toBe(5);
  });

  it('goes without a file if the default one is missing, but not if a named one is', () => {
    const before = process.cwd();
    process.chdir(folder);
    try {
      expect(readConfig({ env: {} }).writers).toBe(2);
    } finally {
      process.chdir(before);
    }
    const missing = join(folder, 'missing.yaml');
    expect(fault(() => readConfig({ env: { HOLDFAST_CONFIG: missing } })).message).toBe(
      `configuration file ${missing}, named by HOLDFAST_CONFIG, does not exist`,
    );
    expect(fault(() => readConfig({ env: {}, configFile: missing })).message).toContain('named by --config');
  });

  it('leaves flags that are no option to the command', () => {
    expect(read({ flags: { migrate: true, json: false, writers: 3, prefix: undefined } }).writers).toBe(3);
  });

  it('counts an empty variable as not set', () => {
    expect(
      read({ env: { HOLDFAST_TYPES: '', HOLDFAST_WRITERS: '', HOLDFAST_AMQP_URL_FILE: '' } }).writers,
    ).toBe(2);
  });

  it('cannot be changed afterwards', () => {
    const options = read() as { writers: number };
    expect(() => {
      options.writers = 9;
    }).toThrow(TypeError);
  });
});

describe('secrets in files', () => {
  it('takes one line break off the end and nothing else', () => {
    expect(databaseUrlIn('postgres://u:p@h/d\n')).toBe('postgres://u:p@h/d');
    expect(databaseUrlIn('postgres://u:p@h/d\r\n')).toBe('postgres://u:p@h/d');
    expect(databaseUrlIn('postgres://u:p@h/d\n\n')).toBe('postgres://u:p@h/d\n');
  });

  it('refuses a secret given both ways', () => {
    const env = {
      HOLDFAST_AMQP_URL: 'amqp://one:secret@h',
      HOLDFAST_AMQP_URL_FILE: file('amqp-url', 'amqp://two:secret@h'),
    };
    const { message } = fault(() => read({ env }));
    expect(message).toBe(
      'amqpUrl is given twice, by HOLDFAST_AMQP_URL and HOLDFAST_AMQP_URL_FILE; unset one',
    );
  });

  it('says which variable named a file that cannot be read', () => {
    const { message } = fault(() => read({ env: { HOLDFAST_AMQP_URL_FILE: folder } }));
    expect(message).toBe(`file ${folder}, named by HOLDFAST_AMQP_URL_FILE, is a folder`);
  });

  it('has no such variable for options that are no secret', () => {
    const { message } = fault(() => read({ env: { HOLDFAST_PREFIX_FILE: '/x' } }));
    expect(message).toBe(
      'environment variable HOLDFAST_PREFIX_FILE is not known; only a secret can be read from a file of its own',
    );
  });
});

describe('a wrong value', () => {
  it('is an error of the process that no repetition helps', () => {
    expect(fault(() => read({ yaml: 'writers: 0' }))).toMatchObject({
      code: 'CONFIG_INVALID',
      scope: 'process',
      retryable: false,
    });
  });

  it.each([
    [
      { HOLDFAST_WRITERS: '99' },
      'writers (environment variable HOLDFAST_WRITERS) must be a whole number from 1 to',
    ],
    [{ HOLDFAST_WRITERS: '2.5' }, 'not "2.5"'],
    [{ HOLDFAST_WRITERS: 'many' }, 'not "many"'],
    [
      { HOLDFAST_PARTITIONS: '12' },
      'partitions (environment variable HOLDFAST_PARTITIONS) must be a power of two',
    ],
    [
      { HOLDFAST_PREFIX: 'no spaces' },
      'prefix (environment variable HOLDFAST_PREFIX) must be a letter or digit',
    ],
    [
      { HOLDFAST_LOG_LEVEL: 'loud' },
      'must be one of trace, debug, info, warn, error, fatal, silent, not "loud"',
    ],
    [{ HOLDFAST_HTTP_ADDRESS: '9464' }, 'must be host:port, [IPv6]:port or off, not "9464"'],
    [{ HOLDFAST_HTTP_ADDRESS: 'localhost:70000' }, 'must be host:port'],
    [
      { HOLDFAST_HEARTBEAT_MS: '1500' },
      'must be a multiple of 1000 from 1000 to 60000 ms (1 min), not "1500"',
    ],
    [
      { HOLDFAST_WORKER_NAME: 'a/b' },
      'workerName (environment variable HOLDFAST_WORKER_NAME) must be a letter',
    ],
  ])('of %j is named with its origin and what is allowed', (env, expected) => {
    expect(fault(() => read({ env })).message).toContain(expected);
  });

  it('in the file is named with its line', () => {
    const { message } = fault(() => read({ yaml: '\n\nwriters: "2"\n' }));
    expect(message).toBe(
      `writers (file ${join(folder, 'holdfast.yaml')}, line 3) must be a whole number from 1 to 16, not "2"`,
    );
  });

  it('of several options is reported for all of them, on one line', () => {
    const { message } = fault(() => read({ yaml: 'writers:\nprefix: "a\\nb"\n', flags: { logLevel: 'x' } }));
    expect(message).not.toContain('\n');
    expect(message.split('; ').map((part) => part.split(' ')[0])).toEqual(['prefix', 'logLevel', 'writers']);
  });

  it('that is long is cut', () => {
    expect(fault(() => read({ env: { HOLDFAST_PREFIX: 'x'.repeat(10_000) } })).message.length).toBeLessThan(
      300,
    );
  });

  it('of a secret is not shown, whether from environment, flag or file', () => {
    const secret = 'http://user:hunter2@host';
    const faults = [
      fault(() => read({ env: { HOLDFAST_AMQP_URL: secret } })),
      fault(() => read({ env: { HOLDFAST_DATABASE_URL_FILE: file('url', secret) } })),
      fault(() => read({ flags: { databaseUrl: secret } })),
      fault(() => read({ yaml: `amqpUrl: ${secret}` })),
      fault(() => read({ yaml: `amqpUrl:${secret}` })),
      fault(() => read({ yaml: `writers: 2\namqpUrl: "${secret}` })),
      fault(() => read({ yaml: `amqpUrl: !secret ${secret}` })),
      fault(() => read({ yaml: `amqpUrl: { ${secret}` })),
    ];
    for (const { message, cause } of faults) {
      expect(message).not.toContain('hunter2');
      expect(JSON.stringify(cause) ?? '').not.toContain('hunter2');
    }
    expect(faults[0]?.message).toBe(
      'amqpUrl (environment variable HOLDFAST_AMQP_URL) must be an amqp:// or amqps:// URL (its value is not shown)',
    );
  });
});

describe('an unknown name', () => {
  it('in the file is an error that suggests the nearest', () => {
    const { message } = fault(() => read({ yaml: 'writers: 2\nbatchByteMax: 1048576\nqqq: 1\n' }));
    expect(message).toContain('line 2: "batchByteMax" is not an option; did you mean batchBytesMax?');
    expect(message).toContain('line 3: "qqq" is not an option; docs/options.md lists all');
  });

  it('in the environment is an error that suggests the nearest', () => {
    const { message } = fault(() => read({ env: { HOLDFAST_AMPQ_URL: 'amqp://h', HOLDFAST_XYZZY: '1' } }));
    expect(message).toBe(
      'environment variable HOLDFAST_AMPQ_URL is not known; did you mean HOLDFAST_AMQP_URL?; ' +
        'environment variable HOLDFAST_XYZZY is not known; docs/options.md lists all',
    );
  });

  it('is left alone if Kubernetes adds it for a service of that name', () => {
    const env = {
      HOLDFAST_SERVICE_HOST: '10.0.0.1',
      HOLDFAST_SERVICE_PORT: '9464',
      HOLDFAST_SERVICE_PORT_METRICS: '9464',
      HOLDFAST_PORT: 'tcp://10.0.0.1:9464',
      HOLDFAST_PORT_9464_TCP: 'tcp://10.0.0.1:9464',
      HOLDFAST_WORKER_PORT_9464_TCP_ADDR: '10.0.0.1',
    };
    expect(read({ env }).writers).toBe(2);
    expect(fault(() => read({ env: { HOLDFAST_PORT: '9464' } })).message).toContain(
      'HOLDFAST_PORT is not known',
    );
  });

  it('outside HOLDFAST_* is none of our business', () => {
    expect(read({ env: { PATH: '/bin', HOLDFASTNESS: 'x' } }).writers).toBe(2);
  });
});

describe('a file that is no configuration', () => {
  it.each([
    ['- writers', 'must consist of lines "option: value"'],
    ['just text', 'must consist of lines "option: value"'],
    ['writers: 2\nwriters: 3', 'line 2, is not valid YAML: duplicate key'],
    ['writers: [1', 'is not valid YAML'],
    ['writers: &a 2\nloadConnections: *b', 'is not valid YAML'],
  ])('such as %j is refused', (yaml, expected) => {
    expect(fault(() => read({ yaml })).message).toContain(expected);
  });

  it('may be empty, or comments only', () => {
    expect(read({ yaml: '' }).writers).toBe(2);
    expect(read({ yaml: '# writers: 3\n' }).writers).toBe(2);
    expect(read({ yaml: '---\n' }).writers).toBe(2);
  });

  it('may use anchors', () => {
    expect(read({ yaml: 'writers: &n 3\nloadConnections: *n\n' })).toMatchObject({
      writers: 3,
      loadConnections: 3,
    });
  });
});
