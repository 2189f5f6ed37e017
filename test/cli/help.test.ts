/** What the command line says of itself, and to those who mistype. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { EXIT_CODES, EXIT_MEANINGS, type ExitName } from '../../src/cli/exit-code.ts';
import { OPTION_DESCRIPTIONS } from '../../src/config/option-descriptions.ts';
import { Cli, MAIN } from './cli-process.ts';

const COMMANDS = [
  'worker',
  'migrate',
  'topology',
  'publish',
  'load',
  'list',
  'delete',
  'object',
  'status',
  'doctor',
  'dead-letters',
];
const LETTER_COMMANDS = ['list', 'show', 'replay', 'export', 'drop'];

const cli = new Cli();
afterAll(() => cli.close());

/** The rows of the table of exit codes that a help text has. */
function exitCodesIn(help: string): number[] {
  return Array.from(help.matchAll(/^ {2,}(\d+) {2}(.+)$/gmu), ([, code, meaning]) => {
    const name = (Object.keys(EXIT_CODES) as ExitName[]).find((each) => EXIT_CODES[each] === Number(code));
    expect(meaning).toBe(name === undefined ? undefined : EXIT_MEANINGS[name]);
    return Number(code);
  });
}

describe('help', () => {
  it('lists every command, the options that all share, an example and every exit code', async () => {
    const { code, stdout, stderr } = await cli.run(['--help']);
    expect([code, stderr]).toEqual([0, '']);
    for (const command of COMMANDS) expect(stdout).toMatch(new RegExp(`^  ${command}\\b`, 'm'));
    expect(stdout).toContain('Example:\n');
    for (const flag of ['--config', '--verbose', '--version', '--help']) expect(stdout).toContain(flag);
    expect(exitCodesIn(stdout)).toEqual(Object.values(EXIT_CODES));
  });

  it.each(COMMANDS)('of %s has examples of it and its exit codes', async (command) => {
    const { code, stdout } = await cli.run([command, '--help']);
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`^  (?:\\S.* \\| )?holdfast ${command}`, 'm'));
    expect(exitCodesIn(stdout)).toEqual(expect.arrayContaining([0, 64, 70, 78]));
  });

  it.each(LETTER_COMMANDS)('of dead-letters %s has examples of it and its exit codes', async (command) => {
    const { code, stdout } = await cli.run(['dead-letters', command, '--help']);
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`^  holdfast dead-letters ${command}`, 'm'));
    expect(exitCodesIn(stdout)).toEqual(expect.arrayContaining([0, 64, 70, 78]));
  });

  it('of worker shows every option', async () => {
    const { stdout } = await cli.run(['worker', '--help']);
    for (const { flag } of OPTION_DESCRIPTIONS) expect(stdout).toContain(`  ${flag} <`);
  });

  it('is given by the help command as well', async () => {
    const [one, other] = await Promise.all([cli.run(['help', 'publish']), cli.run(['publish', '--help'])]);
    expect(one.stdout).toBe(other.stdout);
  });

  it('is shown to who says nothing, as a complaint', async () => {
    const { code, stdout, stderr } = await cli.run([]);
    expect([code, stdout]).toEqual([64, '']);
    expect(stderr).toContain('Usage: holdfast <command>');
  });
});

it('says the version of the package', async () => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  expect(await cli.run(['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
});

describe('a mistake on the command line', () => {
  it.each([
    [['publis', 'file'], "unknown command 'publis'. Did you mean publish?"],
    [['xyzzy'], "unknown command 'xyzzy'. holdfast --help shows what there is."],
    [['publish', '--dryrun', 'file'], "unknown option '--dryrun'. Did you mean --dry-run?"],
    [['worker', '--writer=3'], "unknown option '--writer=3'. Did you mean --writers?"],
    [['status', '--xyzzy'], "unknown option '--xyzzy'. holdfast status --help shows what there is."],
    [['publish'], "missing required argument 'file'. holdfast publish --help shows what there is."],
    [['object', 'a', 'b'], "too many arguments for 'object'. Expected 1 argument but got 2. holdfast object"],
    [['publish', 'f', '--until', 'never'], "argument 'never' is invalid. It must be confirmed or persisted."],
    [['publish', 'f', '--max-errors', '0'], "argument '0' is invalid. It must be a whole number from 1"],
    [['publish', 'f', '--type', 'T'], '--type and --id go together.'],
    [['load'], 'no id was given. Give ids, or - to read them from standard input.'],
    [['load', ''], 'the id "" is empty.'],
    [['topology', '--check', '--delete'], '--check and --delete exclude each other.'],
    [['topology', '--yes'], '--yes and --force belong to --delete.'],
    [['object', 'a', '--yes'], '--yes belongs to --reset.'],
    [
      ['dead-letters', 'repaly'],
      "unknown command 'repaly'. holdfast dead-letters --help shows what there is.",
    ],
    [['dead-letters', 'replay', '--dryrun'], "unknown option '--dryrun'. Did you mean --dry-run?"],
    [['dead-letters', 'list', '--code', 'X'], 'It must be one of MALFORMED_FRAME, '],
    [['dead-letters', 'list', '--after', 'then'], 'It must be a time such as'],
    [['dead-letters', 'list', '--all'], '--behind and --all belong to --each.'],
    [['dead-letters', 'show', 'x'], '"x" is neither the number nor the id of a letter.'],
    [['dead-letters', 'replay', '--edit'], '--edit takes one letter.'],
    [['dead-letters', 'export', '-', '--json'], '--json and - exclude each other.'],
    [['publish', 'no-such-file', '--dry-run'], 'no-such-file does not exist.'],
    [['publish', '.', '--dry-run'], '. is a folder.'],
  ])('%j is told in one line', async (args, message) => {
    const { code, stdout, stderr } = await cli.run(args);
    expect([code, stdout]).toEqual([64, '']);
    expect(stderr).toContain(`holdfast: `);
    expect(stderr).toContain(message);
    expect(stderr.trimEnd()).not.toContain('\n');
  });
});

describe('a wrong configuration', () => {
  it.each([
    [
      ['status', '--partitions', '3'],
      {},
      'partitions (flag --partitions) must be a power of two from 1 to 64, not "3".',
    ],
    [['--partitions', '3', 'status'], {}, 'partitions (flag --partitions) must be'],
    [['status'], { HOLDFAST_WRITERS: 'many' }, 'writers (environment variable HOLDFAST_WRITERS) must be'],
    [['status'], { HOLDFAST_WRTERS: '3' }, 'did you mean HOLDFAST_WRITERS?'],
    [
      ['status', '--config', 'none.yaml'],
      {},
      'configuration file none.yaml, named by --config, does not exist.',
    ],
    [['status', '--lock-timeout-ms', '60000'], {}, 'lockTimeoutMs < statementTimeoutMs must hold'],
  ])('%j is told in one line', async (args, env, message) => {
    const { code, stdout, stderr } = await cli.run(args, { env });
    expect([code, stdout]).toEqual([78, '']);
    expect(stderr).toContain(message);
    expect(stderr.trimEnd()).not.toContain('\n');
  });

  it('names the line of the file, and hides secrets', async () => {
    cli.file('wrong.yaml', 'writers: 2\namqpUrl: http://alice:secret@mq\n');
    const { code, stderr } = await cli.run(['doctor', '--config', 'wrong.yaml']);
    expect(code).toBe(78);
    expect(stderr).toContain('amqpUrl (file wrong.yaml, line 2) must be an amqp:// or amqps:// URL');
    expect(stderr).not.toContain('secret');
  });
});

it('starts without loading the drivers of either server', () => {
  const script = `
    import Module from 'node:module';
    await import(${JSON.stringify(new URL('./program.js', `file://${MAIN}`).href)});
    const loaded = Object.keys(Module._cache).join(' ');
    console.log(/node_modules.(pg|amqplib|pino)\\b/.test(loaded), loaded.includes('commander'));`;
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  expect(stdout).toBe('false true\n');
});
