/** `migrate` and `topology` on an empty database and an empty prefix. */
import { describe, expect, it } from 'vitest';
import { commandsQueue } from '../../src/contract/names.ts';
import { MIGRATIONS } from '../../src/store/migrations.ts';
import { openScratch, PARTITIONS } from '../support/scratch.ts';
import { fill, onChannel } from '../support/test-broker.ts';
import { Cli } from './cli-process.ts';

const scratch = await openScratch();
const cli = Cli.for(scratch);

describe('migrate', () => {
  const names = MIGRATIONS.map(({ name }) => name);

  it('says what it would run, and changes nothing', async () => {
    const { code, stdout } = await cli.run(['migrate', '--dry-run']);
    expect(code).toBe(0);
    expect(stdout.trimEnd().split('\n')).toEqual([
      ...names.map((name) => `would run ${name}`),
      `${names.length} migrations would run; nothing was changed`,
    ]);
    expect(await cli.json(['migrate', '--dry-run'])).toEqual({ dryRun: true, missing: names });
  });

  it('runs what is missing, a line each, and then has nothing to do', async () => {
    const { code, stdout } = await cli.run(['migrate']);
    expect(code).toBe(0);
    expect(stdout.trimEnd().split('\n')).toEqual([
      ...names.map((name) => `ran ${name}`),
      `${names.length} migrations run: the schema is up to date`,
    ]);
    expect((await cli.run(['migrate'])).stdout).toBe('nothing to do: the schema is up to date\n');
    expect(await cli.json(['migrate'])).toEqual({ dryRun: false, ran: [] });
  });

  it('gives up in time where somebody holds the table, to be run again', async () => {
    const url = await scratch.createDatabase('-locked');
    const holder = await scratch.connect(url);
    await holder.query('CREATE TABLE goverse_objects (object_id varchar(255) PRIMARY KEY)');
    await holder.query('BEGIN; LOCK TABLE goverse_objects');
    const { code, stderr } = await cli.run(['migrate', '--database-url', url, '--lock-timeout-ms', '100']);
    await holder.query('ROLLBACK');
    expect(code).toBe(75);
    expect(stderr).toMatch(/^holdfast: .*lock timeout.*run it again\.\n$/);
  });

  it('is asked for by commands that need the schema', async () => {
    const url = await scratch.createDatabase('-empty');
    const { code, stderr } = await cli.run(['object', 'x', '--database-url', url]);
    expect(code).toBe(78);
    expect(stderr).toMatch(/^holdfast: migrations are missing: .*run holdfast migrate/);
  });
});

describe('topology', () => {
  const { names } = scratch;
  const partitions = `${PARTITIONS} partitions of ${names.prefix}`;
  /** Three exchanges, the queues of loads and of dead letters, the partitions. */
  const items = 5 + PARTITIONS;

  it('says what is missing, then creates it, then finds all well', async () => {
    const before = await cli.run(['topology', '--check']);
    expect(before.code).toBe(65);
    expect(before.stdout.trimEnd().split('\n')).toHaveLength(items);
    expect(before.stdout).toContain(`queue ${commandsQueue(names, PARTITIONS, 0)} is missing\n`);

    const first = await cli.run(['topology']);
    expect(first.code).toBe(0);
    expect(first.stdout).toContain(`${partitions}: ${items} created, 0 were there already\n`);
    const second = await cli.run(['topology']);
    expect(second.stdout).toBe(`${partitions}: 0 created, ${items} were there already\n`);

    const after = await cli.run(['topology', '--check']);
    expect(after).toMatchObject({ code: 0, stderr: '' });
    expect(after.stdout).toBe(`${partitions}: ${items} exchanges and queues as they should be\n`);
  });

  it('names what is different and in what, and declares nothing beside it', async () => {
    await onChannel(scratch, async (channel) => {
      await channel.deleteQueue(names.loadsQueue);
      await channel.assertQueue(names.loadsQueue, { durable: true, arguments: { 'x-queue-type': 'quorum' } });
      await channel.deleteQueue(commandsQueue(names, PARTITIONS, 1));
    });
    const check = await cli.run(['topology', '--check']);
    expect(check.code).toBe(65);
    expect(check.stdout.trimEnd().split('\n')).toEqual([
      `queue ${names.loadsQueue} is different: x-queue-type is quorum, not classic`,
      `queue ${commandsQueue(names, PARTITIONS, 1)} is missing`,
    ]);
    const declare = await cli.run(['topology']);
    expect([declare.code, declare.stdout]).toEqual([78, '']);
    expect(declare.stderr).toContain(`nothing was declared: queue ${names.loadsQueue} is different`);
    expect((await cli.run(['topology', '--check'])).stdout).toContain('is missing');
    await onChannel(scratch, (channel) => channel.deleteQueue(names.loadsQueue));
    expect((await cli.run(['topology'])).code).toBe(0);
  });

  it('deletes all numbers of partitions, but neither what is full nor without being sure', async () => {
    expect((await cli.run(['topology', '--partitions', '2'])).code).toBe(0);
    const unsure = await cli.run(['topology', '--delete']);
    expect(unsure.code).toBe(64);
    expect(unsure.stderr).toContain(
      `would delete ${PARTITIONS + 2 + 2} queues of ${names.prefix} with 0 messages`,
    );

    await fill(scratch, commandsQueue(names, 2, 1), ['one', 'two']);
    const full = await cli.run(['topology', '--delete', '--yes']);
    expect(full.code).toBe(65);
    expect(full.stderr).toContain(`2 messages in 1 queue, such as ${commandsQueue(names, 2, 1)}`);
    expect((await cli.run(['topology', '--check'])).code).toBe(0);

    const forced = await cli.run(['topology', '--delete', '--yes', '--force', '--json']);
    expect(forced.code).toBe(0);
    expect(JSON.parse(forced.stdout)).toMatchObject({ prefix: names.prefix, messagesLost: 2 });
    expect((await cli.run(['topology', '--check'])).stdout.trimEnd().split('\n')).toHaveLength(items);
    expect((await cli.run(['topology', '--delete', '--yes'])).stdout).toBe(
      `deleted 0 queues of ${names.prefix}\n`,
    );
  });

  it('does not delete what somebody consumes', async () => {
    await scratch.declare();
    const channel = await scratch.broker.createChannel();
    await channel.consume(commandsQueue(names, PARTITIONS, 2), () => undefined);
    const { code, stderr } = await cli.run(['topology', '--delete', '--yes']);
    await channel.close();
    expect(code).toBe(65);
    expect(stderr).toContain('1 queue of');
    expect(stderr).toContain('Stop the workers first');
  });
});
