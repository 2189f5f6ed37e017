/** Servers that are away, or that refuse: one line that says which and what to do, and never a password. */
import { createServer, type Server } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openScratch } from '../support/scratch.ts';
import { Cli } from './cli-process.ts';

const scratch = await openScratch();
const cli = Cli.for(scratch);

/** Nothing listens on port 1. */
const NOWHERE = '127.0.0.1:1';

const changed = (url: string, change: (parts: URL) => void): string => {
  const parts = new URL(url);
  change(parts);
  return parts.href;
};

/** Accepts and says nothing, as a server behind a broken network. */
let silent: Server;
let silentPort = 0;
beforeAll(async () => {
  silent = createServer(() => undefined);
  await new Promise<void>((resolve) => {
    silent.listen(0, '127.0.0.1', resolve);
  });
  const address = silent.address();
  silentPort = typeof address === 'object' && address !== null ? address.port : 0;
});
afterAll(() => {
  silent.close();
});

/** Only what never answers is not waited for: a busy machine may take its time for the others. */
const hurry = (what: string): string[] => (what === 'silent' ? ['--connect-timeout-ms', '500'] : []);

describe('RabbitMQ', () => {
  const cases: [what: string, url: () => string, code: number, message: string][] = [
    [
      'not running',
      () => `amqp://u:secret@${NOWHERE}`,
      69,
      `${NOWHERE} refuses the connection. Is it running?`,
    ],
    ['of an unknown name', () => 'amqp://u:secret@no-such-host.invalid', 69, 'cannot be resolved'],
    ['silent', () => `amqp://u:secret@127.0.0.1:${silentPort}`, 69, 'does not answer in time'],
    [
      'without the virtual host, with a stray percent sign',
      () => changed(scratch.amqpUrl, (url) => void (url.pathname = '/50%')),
      78,
      'has no virtual host "50%", or user',
    ],
    [
      'refusing the password',
      () => changed(scratch.amqpUrl, (url) => void (url.password = 'secret')),
      78,
      'or the password. Correct --amqp-url or HOLDFAST_AMQP_URL.',
    ],
    [
      'without the virtual host',
      () => changed(scratch.amqpUrl, (url) => void (url.pathname = '/secret-no-such')),
      78,
      'has no virtual host "secret-no-such", or user',
    ],
  ];
  it.each(cases)('%s', async (what, url, code, message) => {
    for (const args of [['load', 'x'], ['topology']]) {
      const ended = await cli.run([...args, '--amqp-url', url(), ...hurry(what)]);
      expect([what, ended.code, ended.stdout]).toEqual([what, code, '']);
      expect(ended.stderr).toContain('holdfast: RabbitMQ at amqp://');
      expect(ended.stderr).toContain(message);
      expect(ended.stderr.trimEnd()).not.toContain('\n');
      expect(ended.stderr).not.toContain(':secret');
    }
  });

  it('is told with a stack to who asks for it', async () => {
    const { code, stderr } = await cli.run([
      'load',
      'x',
      '--verbose',
      '--amqp-url',
      `amqp://u:secret@${NOWHERE}`,
    ]);
    expect(code).toBe(69);
    expect(stderr).toMatch(/\n {4}at .*\ncaused by: BrokerError/s);
    expect(stderr).not.toContain('secret');
  });
});

describe('PostgreSQL', () => {
  const cases: [what: string, url: () => string, code: number, message: string][] = [
    ['not running', () => `postgres://u:secret@${NOWHERE}/x`, 69, 'refuses the connection. Is it running?'],
    ['silent', () => `postgres://u:secret@127.0.0.1:${silentPort}/x`, 69, 'does not answer in time'],
    [
      'without the database',
      () => changed(scratch.databaseUrl, (url) => void (url.pathname = '/no-such-database')),
      78,
      'has no such database (database "no-such-database" does not exist). Create it, or name another',
    ],
    [
      'without the user',
      () =>
        changed(scratch.databaseUrl, (url) => {
          url.username = 'no-such-user';
          url.password = 'secret';
        }),
      78,
      'Correct --database-url or HOLDFAST_DATABASE_URL.',
    ],
  ];
  it.each(cases)('%s', async (what, url, code, message) => {
    for (const args of [['object', 'x'], ['migrate'], ['migrate', '--dry-run']]) {
      const ended = await cli.run([...args, '--database-url', url(), ...hurry(what)]);
      expect([what, ended.code, ended.stdout]).toEqual([what, code, '']);
      expect(ended.stderr).toContain('holdfast: PostgreSQL at postgres');
      expect(ended.stderr).toContain(message);
      expect(ended.stderr.trimEnd()).not.toContain('\n');
      expect(ended.stderr).not.toContain('secret');
    }
  });
});

describe('workers', () => {
  it('that are not there make a load fail in time', async () => {
    await scratch.declare();
    const { code, stderr } = await cli.run(['load', 'x', '--timeout', '0.3']);
    expect(code).toBe(69);
    expect(stderr).toBe(
      'holdfast: no answer within 300 ms. Is a worker running? holdfast status shows who consumes.\n',
    );
  });

  it('that never declared anything make everything unroutable', async () => {
    const { code, stderr } = await cli.run(['load', 'x', '--prefix', `${scratch.id}-other`]);
    expect(code).toBe(78);
    expect(stderr).toContain('Run holdfast topology');
  });
});
