/** `status` and `doctor`: before anything is there, when all is well, and when a server is away. */
import { afterAll, describe, expect, it } from 'vitest';
import { commandsQueue } from '../../src/contract/names.ts';
import { MIGRATIONS } from '../../src/store/migrations.ts';
import { eventually } from '../support/eventually.ts';
import { openScratch, PARTITIONS } from '../support/scratch.ts';
import { fill, onChannel } from '../support/test-broker.ts';
import { Cli, PATIENCE_MS, startWorker } from './cli-process.ts';

const scratch = await openScratch();
const cli = Cli.for(scratch);
const { names } = scratch;

interface Status {
  readonly broker: {
    readonly reachable: boolean;
    readonly error?: string;
    readonly partitions: { readonly count: number; readonly waiting: number; readonly queues: unknown[] };
    readonly otherPartitionCounts: { readonly count: number; readonly waiting: number }[];
    readonly loads: unknown;
    readonly workers: { readonly name: string; readonly partitions: string[] }[];
  };
  readonly store: {
    readonly reachable: boolean;
    readonly schema: { readonly missing: string[] };
    readonly workers: { readonly name: string; readonly sessions: number }[];
  };
}

interface Check {
  readonly area: string;
  readonly name: string;
  readonly status: 'ok' | 'warn' | 'fail' | 'unreachable';
  readonly found: string;
  readonly advice?: string;
}

async function doctor(...args: readonly string[]) {
  const { code, stdout } = await cli.run(['doctor', '--json', ...args]);
  const report = JSON.parse(stdout) as {
    ok: boolean;
    checks: Check[];
    options: { name: string; source: string }[];
  };
  const bad = report.checks
    .filter(({ status }) => status !== 'ok')
    .map(({ status, name }) => `${status} ${name}`);
  return { code, bad, ...report };
}

describe('before anything is there', () => {
  it('status says what is missing', async () => {
    const { code, stdout } = await cli.run(['status']);
    expect(code).toBe(0);
    expect(stdout).toContain(`${PARTITIONS}, none declared; run holdfast topology`);
    expect(stdout).toContain(`${MIGRATIONS.length} migrations missing; run holdfast migrate`);
  });

  it('doctor fails, with advice', async () => {
    const { code, bad, ok } = await doctor();
    expect([code, ok]).toEqual([65, false]);
    expect(bad).toEqual(expect.arrayContaining(['fail queues', 'fail schema']));
    const { stdout } = await cli.run(['doctor']);
    expect(stdout).toMatch(/ {2}FAIL {2}queues .* are missing, such as .*\n +-> Run holdfast topology/);
    expect(stdout).toMatch(/ {2}FAIL {2}schema .*\n +-> Run holdfast migrate/);
    expect(stdout).toMatch(/\d+ checks: \d+ failed, \d+ with a warning\n$/);
  });
});

describe('when all is well', () => {
  it('status shows queues, workers and tables', async () => {
    const worker = await startWorker(cli, ['--worker-name', 'worker-of-status']);
    const status = await cli.json<Status>(['status']);
    expect(status.broker).toMatchObject({
      reachable: true,
      partitions: { count: PARTITIONS, waiting: 0 },
      otherPartitionCounts: [],
    });
    expect(status.broker.partitions.queues[1]).toEqual({
      queue: commandsQueue(names, PARTITIONS, 1),
      messages: 0,
      consumers: 1,
    });
    expect(status.store.schema.missing).toEqual([]);
    // A worker connects when there is something to do, and to purge.
    const input = '{"save":{"id":"s","type":"T"}}\n{}\n';
    expect((await cli.run(['publish', '-', '--until', 'persisted'], { input })).code).toBe(0);
    const { store } = await cli.json<Status>(['status']);
    expect(store.workers).toContainEqual({ name: 'worker-of-status', sessions: expect.any(Number) });

    const { stdout } = await cli.run(['status']);
    expect(stdout).toContain(names.prefix);
    expect(stdout).toContain(`${PARTITIONS}, 0 messages wait`);
    expect(stdout).toContain('1 worker consumes');
    expect(stdout).toContain('goverse_objects');
    expect(stdout).not.toMatch(/:[^*@/\s]+@/);
    worker.signal('SIGTERM');
    await worker.ended;
  });

  it('doctor is content, with a warning that nobody consumes', async () => {
    const { code, bad, ok, checks } = await doctor();
    expect([code, ok]).toEqual([0, true]);
    expect(bad).toContain('warn consumers');
    expect(checks).toContainEqual(
      expect.objectContaining({ name: 'pooler', status: 'ok', found: 'none in between' }),
    );
    expect(checks.filter(({ area }) => area === 'PostgreSQL').map(({ name }) => name)).toEqual(
      expect.arrayContaining(['reachable', 'version', 'encoding', 'schema', 'rights', 'durability', 'clock']),
    );
  });

  it('doctor looks into the module of schemas as a worker does', async () => {
    cli.file('types.mjs', 'export default { "Chat Room": { safeParse: () => ({ success: true }) } };');
    cli.file('typed.yaml', 'types: ./types.mjs\n');
    const { code, checks } = await doctor('--config', 'typed.yaml');
    expect(code).toBe(0);
    expect(checks).toContainEqual(expect.objectContaining({ name: 'types', found: '1 schema: Chat Room' }));
    const missing = await doctor('--types', 'nowhere.mjs');
    expect([missing.code, missing.bad.includes('fail types')]).toEqual([65, true]);
  });

  it('doctor shows which value came from where', async () => {
    cli.file('some.yaml', 'writers: 3\n');
    const { options } = await doctor('--config', 'some.yaml', '--log-level', 'warn');
    const sourceOf = (name: string) => options.find((option) => option.name === name)?.source;
    expect([sourceOf('writers'), sourceOf('logLevel'), sourceOf('prefix'), sourceOf('types')]).toEqual([
      'file some.yaml, line 1',
      'flag --log-level',
      'environment variable HOLDFAST_PREFIX',
      'default',
    ]);
    const { stdout } = await cli.run(['doctor', '--options']);
    expect(stdout).toMatch(/heartbeatMs +5000 +default/);
    expect(stdout).toMatch(/prefix +holdfast-test-\S+ +environment variable HOLDFAST_PREFIX/);
  });

  it('doctor does not hide behind the owner: an ordinary user lacks what was not granted', async () => {
    const role = `cli_${scratch.id.slice(-10)}`;
    await scratch.sql.query(`CREATE ROLE ${role} LOGIN PASSWORD 'pw'`);
    afterAll(async () => {
      await scratch.sql.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    });
    await scratch.sql.query(`GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${role}`);
    await scratch.sql.query(
      `GRANT INSERT, UPDATE, DELETE ON holdfast_tombstones, holdfast_claims, holdfast_suspects, holdfast_dead_letters,
         holdfast_dead_letter_audit TO ${role}`,
    );
    const url = new URL(scratch.databaseUrl);
    url.username = role;
    url.password = 'pw';
    const lacking = await doctor('--database-url', url.href);
    expect(lacking.code).toBe(65);
    expect(lacking.checks.filter(({ status }) => status === 'fail')).toMatchObject([
      { name: 'rights', advice: `GRANT INSERT, UPDATE, DELETE ON goverse_objects TO ${role};` },
    ]);
    await scratch.sql.query(`GRANT INSERT, UPDATE, DELETE ON goverse_objects TO ${role}`);
    expect((await doctor('--database-url', url.href)).code).toBe(0);
  });

  it('status says which worker has which partition', async () => {
    const workers = await Promise.all([startWorker(cli), startWorker(cli)]);
    await eventually(async () => {
      // One object for each partition, so that every queue delivers to whoever has it.
      await cli.run(['publish', '--until', 'persisted', '-'], {
        input: Array.from({ length: PARTITIONS }, (_, shard) =>
          JSON.stringify({ save: { id: `shard#${shard}/status`, type: 'T', version: Date.now() } }).concat(
            '\n{}\n',
          ),
        ).join(''),
      });
      const { broker } = await cli.json<Status>(['status']);
      const owned = broker.workers.flatMap(({ partitions }) => partitions);
      return broker.workers.length === 2 && owned.length === PARTITIONS && new Set(owned).size === PARTITIONS;
    }, PATIENCE_MS);
    const { stdout } = await cli.run(['status']);
    expect(stdout).toMatch(/partitions of +\S+: (none known|[0-3, ]+)\n +\S+: (none known|[0-3, ]+)\n/);
    for (const worker of workers) worker.signal('SIGTERM');
    await Promise.all(workers.map(({ ended }) => ended));
  });

  it('both tell what waits, also for another number of partitions', async () => {
    await cli.run(['topology', '--partitions', '1']);
    await fill(scratch, commandsQueue(names, PARTITIONS, 1), ['one', 'two']);
    await fill(scratch, commandsQueue(names, 1, 0), ['three']);
    const { broker } = await cli.json<Status>(['status']);
    expect(broker.partitions.waiting).toBe(2);
    expect(broker.otherPartitionCounts).toEqual([{ count: 1, waiting: 1 }]);
    const { stdout } = await cli.run(['status']);
    expect(stdout).toMatch(/waiting +0: 0 {3}1: 2 {3}2: 0 {3}3: 0\n/);
    expect(stdout).toMatch(/also there +1, 1 message waits\n/);
    expect((await doctor()).bad).toEqual(expect.arrayContaining(['warn consumers', 'warn 1 partitions']));
    await onChannel(scratch, async (channel) => {
      await channel.purgeQueue(commandsQueue(names, PARTITIONS, 1));
      await channel.deleteQueue(commandsQueue(names, 1, 0));
    });
  });
});

describe('when a server is away', () => {
  it('status shows the rest', async () => {
    const { code, stdout } = await cli.run(['status', '--amqp-url', 'amqp://u:secret@127.0.0.1:1']);
    expect(code).toBe(69);
    expect(stdout).toContain('RabbitMQ at amqp://u:***@127.0.0.1:1 refuses the connection.');
    expect(stdout).toContain('goverse_objects');
    const status = await cli.json<Status>(['status', '--database-url', 'postgres://127.0.0.1:1/x']);
    expect(status).toMatchObject({
      broker: { reachable: true },
      store: { reachable: false, error: expect.stringContaining('refuses the connection') },
    });
  });

  it('doctor checks the rest', async () => {
    const { code, bad, checks } = await doctor('--amqp-url', 'amqp://127.0.0.1:1');
    expect(code).toBe(69);
    expect(bad).toContain('unreachable reachable');
    expect(checks).toContainEqual(
      expect.objectContaining({ area: 'PostgreSQL', name: 'schema', status: 'ok' }),
    );
  });

  it('doctor tells a refusal from an absence', async () => {
    const url = new URL(scratch.amqpUrl);
    url.password = 'secret';
    const { code, checks } = await doctor('--amqp-url', url.href);
    expect(code).toBe(65);
    expect(checks).toContainEqual(expect.objectContaining({ area: 'RabbitMQ', status: 'fail' }));
    expect(JSON.stringify(checks)).not.toContain('secret');
  });
});

it('status shows it again and again until it is told to end', async () => {
  const watching = cli.start(['status', '--watch', '0.2', '--json']);
  await eventually(() => watching.stdout.split('\n').length > 3, PATIENCE_MS);
  watching.signal('SIGINT');
  const { code, stdout } = await watching.ended;
  expect(code).toBe(0);
  for (const line of stdout.trimEnd().split('\n')) expect(JSON.parse(line)).toHaveProperty('broker');
});
