/** The dead letters of the demo: a rule of the table that refuses some, and the tool that shows and replays them. */
import { execFile } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import type { Environment } from './processes.ts';

/** Somebody's rule, which some commands break until it is lifted. */
const RULE = 'demo_score_is_not_negative';

export async function addRule(databaseUrl: string): Promise<void> {
  await query(
    databaseUrl,
    `ALTER TABLE goverse_objects ADD CONSTRAINT ${RULE} CHECK (coalesce((data ->> 'score')::numeric, 0) >= 0)`,
  );
}

export async function liftRule(databaseUrl: string): Promise<void> {
  await query(databaseUrl, `ALTER TABLE goverse_objects DROP CONSTRAINT ${RULE}`);
}

const MOVED_TIMEOUT_MS = 30_000;

/** Waits until workers have moved so many letters into their table, and returns how many there are. */
export async function untilMoved(databaseUrl: string, expected: number): Promise<number> {
  const end = Date.now() + MOVED_TIMEOUT_MS;
  for (;;) {
    const [row] = await query(databaseUrl, 'SELECT count(*)::int FROM holdfast_dead_letters');
    const count = Number(row?.[0]);
    if (count >= expected || Date.now() > end) return count;
    await delay(100);
  }
}

/** Runs `holdfast dead-letters …` as a person does; resolves with what it prints, whatever its exit code. */
export async function deadLetters(env: Environment, ...args: string[]): Promise<string> {
  const program = new URL('../../../dist/cli/main.js', import.meta.url).pathname;
  return await new Promise((resolve) => {
    execFile(
      process.execPath,
      [program, 'dead-letters', ...args],
      { env: { ...process.env, ...env } },
      (_error, stdout, stderr) => resolve(`${stdout}${stderr}`.trimEnd()),
    );
  });
}

async function query(databaseUrl: string, text: string): Promise<unknown[][]> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    return (await client.query<unknown[]>({ text, rowMode: 'array' })).rows;
  } finally {
    await client.end();
  }
}
