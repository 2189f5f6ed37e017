/** The process of a worker: ready, drained, hurried, cut off, not started; and what each says by its exit code. */

import type { Client } from 'pg';
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { openScratch } from '../support/scratch.ts';
import { Cli, type CliProcess, PATIENCE_MS, startWorker } from './cli-process.ts';

const scratch = await openScratch();
const cli = Cli.for(scratch);

/** Holds the table, so that a batch which is being written cannot be finished. */
async function holdTable(): Promise<{ holder: Client; release: () => Promise<unknown> }> {
  const holder = await scratch.connect();
  await holder.query('BEGIN; LOCK TABLE goverse_objects IN ACCESS EXCLUSIVE MODE');
  return { holder, release: () => holder.query('ROLLBACK') };
}

/** A worker that is in the middle of a batch which the table's holder keeps from ending. */
async function stuckWorker(
  ...args: readonly string[]
): Promise<{ worker: CliProcess; release: () => Promise<unknown> }> {
  const worker = await startWorker(cli, args);
  const { release } = await holdTable();
  const input = '{"save":{"id":"stuck","type":"T"}}\n{}\n';
  expect((await cli.run(['publish', '-'], { input })).code).toBe(0);
  await eventually(async () => {
    const { rows } = await scratch.sql.query(
      `SELECT 1 FROM pg_stat_activity
       WHERE datname = current_database() AND application_name LIKE 'holdfast %' AND wait_event_type = 'Lock'`,
    );
    return rows.length > 0;
  }, PATIENCE_MS);
  return { worker, release };
}

describe('a worker', () => {
  it('migrates, declares, says that it is ready, and ends with 0 behind SIGTERM and Ctrl-C', async () => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      const worker = await startWorker(cli);
      worker.signal(signal);
      const { code, stdout, stderr } = await worker.ended;
      expect([code, stderr]).toEqual([0, '']);
      expect(stdout).toContain('"msg":"draining"');
      expect(stdout).toContain('"msg":"worker stopped"');
      for (const line of stdout.trimEnd().split('\n')) expect(() => void JSON.parse(line)).not.toThrow();
    }
  });

  it('finishes what is being written before it ends', async () => {
    const { worker, release } = await stuckWorker();
    worker.signal('SIGTERM');
    await worker.printed('"msg":"draining"');
    await release();
    expect((await worker.ended).code).toBe(0);
    const { rows } = await scratch.sql.query("SELECT 1 FROM goverse_objects WHERE object_id = 'stuck'");
    expect(rows).toHaveLength(1);
  });

  it('ends with 75 if that takes longer than the drain timeout', async () => {
    const { worker, release } = await stuckWorker('--drain-timeout-ms', '600', '--lock-timeout-ms', '500');
    worker.signal('SIGTERM');
    const { code, stdout } = await worker.ended;
    await release();
    expect(code).toBe(75);
    expect(stdout).toContain('"msg":"worker stopped with work unfinished"');
  });

  it('hurries at the second signal, and ends at once at the third', async () => {
    const { worker, release } = await stuckWorker('--lock-timeout-ms', '29000');
    worker.signal('SIGTERM');
    await worker.printed('"msg":"draining"');
    worker.signal('SIGINT');
    await worker.printed('"msg":"hurrying"');
    worker.signal('SIGINT');
    const { code, stdout } = await worker.ended;
    expect(code).toBe(75);
    expect(stdout).toContain('"msg":"ending at once"');
    await release();

    const second = await stuckWorker('--lock-timeout-ms', '29000');
    second.worker.signal('SIGTERM');
    await second.worker.printed('"msg":"draining"');
    second.worker.signal('SIGTERM');
    const ended = await second.worker.ended;
    await second.release();
    expect(ended.code).toBe(75);
    expect(ended.stdout).not.toContain('"msg":"ending at once"');
  });

  it('goes on when nobody reads its log any more', async () => {
    const worker = await startWorker(cli);
    worker.child.stdout?.destroy();
    const input = '{"save":{"id":"unread","type":"T"}}\n{}\n';
    expect((await cli.run(['publish', '-', '--until', 'persisted'], { input })).code).toBe(0);
    worker.signal('SIGTERM');
    expect((await worker.ended).code).toBe(0);
  });
});

const lastLine = (text: string): string => text.trimEnd().split('\n').at(-1) ?? '';

describe('a worker that cannot start', () => {
  it('says why in one line: the database is wrong', async () => {
    const { code, stderr } = await cli.run([
      'worker',
      '--database-url',
      scratch.databaseUrl.replace(scratch.id, 'no-such-database'),
    ]);
    expect(code).toBe(78);
    expect(stderr).toMatch(/^holdfast: PostgreSQL at .* has no such database .*\n$/);
  });

  it('says why in one line: the address is taken', async () => {
    const { port } = new URL(scratch.databaseUrl);
    const { code, stderr } = await cli.run(['worker', '--http-address', `127.0.0.1:${port}`]);
    expect(code).toBe(78);
    expect(lastLine(stderr)).toContain(`cannot listen for HTTP on 127.0.0.1, port ${port}: already in use`);
  });

  it('waits for a server that is away, until it is told to end', async () => {
    const worker = cli.start([
      'worker',
      '--database-url',
      'postgres://127.0.0.1:1/x',
      '--retry-delay-ms-max',
      '100',
    ]);
    await worker.printed('"msg":"waiting for a server"');
    worker.signal('SIGTERM');
    const { code, stdout } = await worker.ended;
    expect(code).toBe(0);
    expect(lastLine(stdout)).toContain('"msg":"worker stopped"');
  });

  it('says why in one line: the schemas cannot be loaded', async () => {
    cli.file('not-schemas.mjs', 'export const User = { name: "string" };');
    const { code, stderr } = await cli.run(['worker', '--types', './not-schemas.mjs']);
    expect(code).toBe(78);
    expect(lastLine(stderr)).toContain('not-schemas.mjs cannot be used: "User" is not a Zod schema');
  });

  it('says why in one line: nobody migrated', async () => {
    const url = await scratch.createDatabase('-bare');
    const { code, stderr } = await cli.run(['worker', '--no-migrate', '--database-url', url]);
    expect(code).toBe(78);
    expect(stderr).toMatch(/^holdfast: migrations are missing: .*; run holdfast migrate\. .*\n$/);
  });
});
