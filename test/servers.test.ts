// The servers ladder itself: what it starts goes away whatever happens, what it is given is left alone.

import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type ConfirmChannel, connect } from 'amqplib';
import { Client, type QueryResultRow } from 'pg';
import { afterEach, beforeEach, describe, expect, inject, it, vi } from 'vitest';
import { freePorts } from './servers/free-ports.ts';
import { findInstalledPrograms } from './servers/installed-programs.ts';
import { type Servers, startServers } from './servers/ladder.ts';
import { packageRoot } from './servers/package-root.ts';

const GONE_WITHIN_MS = 30_000;
/** Starting a pair takes about 5 s on two idle cores; here it shares them with other tests. */
const SLOW_MS = 180_000;

const quiet = () => {};

afterEach(() => {
  vi.unstubAllEnvs();
});

describe('given servers', () => {
  it('are used as they are and left running', async () => {
    vi.stubEnv('HOLDFAST_AMQP_URL', inject('amqpUrl'));
    vi.stubEnv('HOLDFAST_DATABASE_URL', inject('databaseUrl'));

    const servers = await startServers({ log: quiet });
    await servers.stop();
    await servers.stop();

    expect(servers).toMatchObject({
      amqpUrl: inject('amqpUrl'),
      databaseUrl: inject('databaseUrl'),
      source: 'given',
      broker: undefined,
      database: undefined,
    });
    await expect(canWork(servers)).resolves.toBe(true);
  });

  it.each([
    ['HOLDFAST_AMQP_URL', 'HOLDFAST_DATABASE_URL'],
    ['HOLDFAST_DATABASE_URL', 'HOLDFAST_AMQP_URL'],
  ])('are refused when %s is set alone', async (set, missing) => {
    vi.stubEnv(set, 'amqp://127.0.0.1');
    vi.stubEnv(missing, undefined);

    await expect(startServers({ log: quiet })).rejects.toThrow(`${set} is set but ${missing} is not`);
  });

  it('are named by their variable, without the password, when nothing answers there', async () => {
    const [port] = await freePorts(1);
    vi.stubEnv('HOLDFAST_AMQP_URL', `amqp://someone:secret@127.0.0.1:${port}`);
    vi.stubEnv('HOLDFAST_DATABASE_URL', inject('databaseUrl'));

    await expect(startServers({ log: quiet })).rejects.toThrow(
      `HOLDFAST_AMQP_URL is set, but nothing answers at 127.0.0.1:${port}: ECONNREFUSED`,
    );
  });
});

it('says what to set or install when there is no way to servers', async () => {
  vi.stubEnv('DOCKER_HOST', 'unix:///nonexistent/docker.sock');

  await expect(startServers({ log: quiet, only: 'docker' })).rejects.toThrow(
    /No RabbitMQ and PostgreSQL .*ENOENT[^]*HOLDFAST_AMQP_URL[^]*start Docker[^]*apt-get install/,
  );
});

// Where the other tests run against Docker or given servers, the programs need not be installed; what is missing is named.
if (findInstalledPrograms().programs === undefined) {
  it('private servers need programs, and those that are missing are named', () => {
    expect(findInstalledPrograms().missing.join(' ')).toMatch(/rabbitmq-server|postgresql/);
  });
} else describe('private servers', privateServers);

function privateServers(): void {
  let folder: string;
  const started: { stop(): unknown }[] = [];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-test-'));
    chmodSync(folder, 0o711); // PostgreSQL runs as another user if we are root
    vi.stubEnv('TMPDIR', folder);
  });

  afterEach(async () => {
    await Promise.all(started.splice(0).map((one) => one.stop()));
    rmSync(folder, { recursive: true, force: true });
  });

  async function startPrivate(): Promise<Servers> {
    const servers = await startServers({ log: quiet, only: 'installed' });
    started.push(servers);
    return servers;
  }

  it('work while they run, and are gone with their folder after a stop', { timeout: SLOW_MS }, async () => {
    const servers = await startPrivate();
    const pids = [servers.broker?.pid(), servers.database?.pid()];
    await expect(canWork(servers)).resolves.toBe(true);
    expect(processesNaming(folder)).toEqual(expect.arrayContaining(pids));

    await Promise.all([servers.stop(), servers.stop()]);
    await servers.stop();

    expect(pids.filter((pid) => isAlive(pid))).toEqual([]);
    expect(processesNaming(folder)).toEqual([]);
    expect(readdirSync(folder)).toEqual([]);
  });

  it.each(['orderly', 'kill'] as const)(
    'keep address and data over a stop (%s) and a start',
    { timeout: SLOW_MS },
    async (mode) => {
      const servers = await startPrivate();
      await keepSomething(servers);
      if (mode === 'kill') {
        // RabbitMQ writes down what was declared some time after it has said so; an orderly stop does not leave before.
        await servers.broker?.stop('orderly');
        await servers.broker?.start();
      }
      const pids = [servers.broker?.pid(), servers.database?.pid()];

      await Promise.all([servers.broker?.stop(mode), servers.database?.stop(mode)]);
      expect([servers.broker?.pid(), servers.database?.pid()]).toEqual([undefined, undefined]);
      expect(pids.filter((pid) => isAlive(pid))).toEqual([]);
      await Promise.all([servers.broker?.start(), servers.database?.start()]);

      await expect(whatWasKept(servers)).resolves.toEqual({ message: 'kept', row: 'kept' });
    },
  );

  it('are gone after a stop that finds them killed', { timeout: SLOW_MS }, async () => {
    const servers = await startPrivate();
    await Promise.all([servers.broker?.stop('kill'), servers.database?.stop('kill')]);

    await servers.stop();

    expect(processesNaming(folder)).toEqual([]);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('are gone when the process that started them is killed', { timeout: SLOW_MS }, async () => {
    const owner = startInOtherProcess();
    started.push({ stop: () => owner.kill('SIGKILL') });
    const pids = await pidsFrom(owner);
    expect(pids.filter((pid) => isAlive(pid))).toEqual(pids);

    owner.kill('SIGKILL');

    await until(
      'nothing is left',
      () => processesNaming(folder).length === 0 && readdirSync(folder).length === 0,
    );
    expect(pids.filter((pid) => isAlive(pid))).toEqual([]);
  });

  it('leave nothing behind when interrupted while they start', { timeout: SLOW_MS }, async () => {
    const owner = startInOtherProcess();
    started.push({ stop: () => owner.kill('SIGKILL') });
    await until('both are being started', () => {
      const [inside] = readdirSync(folder);
      const files =
        inside === undefined ? [] : readdirSync(join(folder, inside), { recursive: true }).map(String);
      return files.includes('rabbitmq/console.log') && files.includes('initdb.log');
    });

    owner.kill('SIGINT');

    await until(
      'nothing is left',
      () => processesNaming(folder).length === 0 && readdirSync(folder).length === 0,
    );
  });
}

/**
 * Starts private servers in a process of their own, which prints their pids and stays. From what `npm test` has built:
 * Node 20 does not run TypeScript.
 */
function startInOtherProcess(): ChildProcess {
  const ladder = join(packageRoot(), 'build/test/servers/ladder.js');
  const script = `
    import { startServers } from ${JSON.stringify(ladder)};
    const servers = await startServers({ only: 'installed' });
    console.log(JSON.stringify([servers.broker.pid(), servers.database.pid()]));
    setInterval(() => {}, 1_000);`;
  return spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
}

async function pidsFrom(owner: ChildProcess): Promise<number[]> {
  return new Promise((resolve, reject) => {
    owner.stdout?.once('data', (line: Buffer) => resolve(JSON.parse(line.toString()) as number[]));
    owner.once('exit', (code) => reject(new Error(`ended with ${code} before the servers were up`)));
  });
}

async function canWork({ amqpUrl, databaseUrl }: Servers): Promise<boolean> {
  await withChannel(amqpUrl, (channel) => channel.assertQueue('', { exclusive: true }));
  const [row] = await query<{ may: boolean }>(
    databaseUrl,
    'SELECT rolcreatedb OR rolsuper AS may FROM pg_roles WHERE rolname = current_user',
  );
  return row?.may === true;
}

async function keepSomething({ amqpUrl, databaseUrl }: Servers): Promise<void> {
  await withChannel(amqpUrl, async (channel) => {
    // Not a quorum queue: those do not survive a kill within the first second (see ServerControl).
    await channel.assertQueue('kept', { durable: true });
    channel.sendToQueue('kept', Buffer.from('kept'), { persistent: true });
    await channel.waitForConfirms();
  });
  await query(databaseUrl, "CREATE TABLE kept AS SELECT 'kept' AS word");
}

async function whatWasKept({ amqpUrl, databaseUrl }: Servers): Promise<{ message: unknown; row: unknown }> {
  const message = await withChannel(amqpUrl, (channel) => channel.get('kept'));
  const [row] = await query<{ word: string }>(databaseUrl, 'SELECT word FROM kept');
  return { message: message && message.content.toString(), row: row?.word };
}

async function withChannel<T>(url: string, use: (channel: ConfirmChannel) => Promise<T>): Promise<T> {
  const connection = await connect(url);
  try {
    return await use(await connection.createConfirmChannel());
  } finally {
    await connection.close();
  }
}

async function query<Row extends QueryResultRow>(url: string, statement: string): Promise<Row[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Row>(statement)).rows;
  } finally {
    await client.end();
  }
}

function isAlive(pid: number | undefined): boolean {
  if (pid === undefined) return false;
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  // One that has ended and waits to be noticed by its parent is as good as gone.
  const stat = existsSync(`/proc/${pid}/stat`) ? readFileSync(`/proc/${pid}/stat`, 'utf8') : '';
  return !/\) Z /.test(stat);
}

/** Processes with a path in their arguments or environment, but not us; Linux only, none elsewhere. */
function processesNaming(path: string): number[] {
  if (!existsSync('/proc/self')) return [];
  const pids = readdirSync('/proc').map(Number).filter(Number.isInteger);
  return pids.filter((pid) => {
    try {
      const args = readFileSync(`/proc/${pid}/cmdline`, 'latin1');
      // The test's own processes have it as TMPDIR.
      return isAlive(pid) && (args.includes(path) || serverEnvironment(pid).includes(path));
    } catch {
      return false;
    }
  });
}

function serverEnvironment(pid: number): string {
  const variables = readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0');
  return variables.filter((variable) => !variable.startsWith('TMPDIR=')).join('\0');
}

async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = Date.now() + GONE_WITHIN_MS;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`not within ${GONE_WITHIN_MS / 1_000} s: ${what}`);
    await delay(50);
  }
}
