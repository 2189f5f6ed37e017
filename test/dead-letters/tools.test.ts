/** Looking at letters, exporting and dropping them, by the command line. Goal: to look never changes anything. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Cli, PATIENCE_MS } from '../cli/cli-process.ts';
import { emptyTable, putLetters, tableLetters } from '../support/letter-table.ts';
import { openScratch } from '../support/scratch.ts';
import { load, remove, save } from '../support/test-publisher.ts';
import { startWorker } from '../support/test-worker.ts';

const scratch = await openScratch();
const cli = Cli.for(scratch);
const { deadLetters } = scratch.names;

beforeAll(async () => {
  await scratch.migrate();
  await scratch.declare();
});
afterEach(() => emptyTable(scratch));

const ago = (ms: number): string => new Date(Date.now() - ms).toISOString();
const run = (...args: string[]) => cli.run(['dead-letters', ...args]);
const HOUR_MS = 3_600_000;

/** Three of one kind, one of another, and a whole frame. */
const SOME = [
  {
    code: 'SCHEMA_VIOLATION',
    objectId: 'u1',
    objectType: 'User',
    version: 7,
    partition: '16.3',
    node: 'n1',
    failedAt: ago(50 * HOUR_MS),
  },
  {
    code: 'SCHEMA_VIOLATION',
    objectId: 'u2',
    objectType: 'User',
    version: 8,
    partition: '16.4',
    node: 'n2',
    failedAt: ago(3 * HOUR_MS),
  },
  {
    code: 'SCHEMA_VIOLATION',
    objectId: 'u1',
    objectType: 'User',
    version: 9,
    partition: '16.3',
    node: 'n1',
    failedAt: ago(2 * HOUR_MS),
  },
  {
    code: 'UNSTORABLE',
    objectId: 'r1',
    objectType: 'Room',
    version: 1,
    partition: '32.3',
    node: 'n1',
    failedAt: ago(HOUR_MS),
  },
  { code: 'DELIVERY_LIMIT', partition: '16.5', failedAt: ago(60_000) },
].map((each, i) => ({
  ...each,
  body: save({ id: each.objectId ?? `f${i}`, version: each.version ?? 1 }, `{"n":${i}}`),
}));

describe('list', () => {
  it('groups by code and type, with counts and ages, and changes nothing', async () => {
    await putLetters(scratch, SOME);
    const before = await tableLetters(scratch);
    const { code, stdout } = await run('list');
    expect(code).toBe(0);
    expect(stdout.split('\n').map((line) => line.replaceAll(/ {2,}/g, '  '))).toEqual([
      '5 letters wait to be decided',
      'CODE  TYPE  LETTERS  OLDEST  NEWEST',
      'SCHEMA_VIOLATION  User  3  2 d 2 h  2 h',
      expect.stringMatching(/^DELIVERY_LIMIT {2}- {2}1 {2}1 min/),
      expect.stringMatching(/^UNSTORABLE {2}Room {2}1 {2}1 h/),
      '',
    ]);
    expect(await cli.json(['dead-letters', 'list'])).toMatchObject({
      open: 5,
      inQueue: 0,
      groups: [{ code: 'SCHEMA_VIOLATION', type: 'User', count: 3 }, { type: null }, { count: 1 }],
    });
    expect(await tableLetters(scratch)).toEqual(before);
  });

  it.each([
    [['--code', 'unstorable'], [3]],
    [
      ['--code', 'UNSTORABLE', '--code', 'DELIVERY_LIMIT'],
      [3, 4],
    ],
    [
      ['--type', 'User'],
      [0, 1, 2],
    ],
    [['--type', ''], [4]],
    [
      ['--id', 'u1'],
      [0, 2],
    ],
    [
      ['--partition', '3'],
      [0, 2, 3],
    ],
    [
      ['--partition', '16.3'],
      [0, 2],
    ],
    [
      ['--node', 'n1', '--code', 'SCHEMA_VIOLATION'],
      [0, 2],
    ],
    [
      ['--after', '150min'],
      [2, 3, 4],
    ],
    [['--before', '2d'], [0]],
    [
      ['--after', '4h', '--before', ago(1.5 * HOUR_MS)],
      [1, 2],
    ],
    [['--node', 'nobody'], []],
  ])('%j means %j', async (flags, expected) => {
    const numbers = await putLetters(scratch, SOME);
    const { code, stdout } = await run('list', '--each', '--json', ...flags);
    const found = stdout
      .split('\n')
      .flatMap((line) => (line === '' ? [] : [JSON.parse(line) as { number: number }]));
    expect(code).toBe(0);
    expect(found.map(({ number }) => numbers.indexOf(number))).toEqual(expected);
  });

  it('shows them one by one and page by page', async () => {
    const numbers = await putLetters(scratch, SOME);
    const first = await run('list', '--each', '--limit', '2');
    expect(first.stdout).toMatch(/^#\d+ +2 d 2 h +SCHEMA_VIOLATION +User +u1 +7/);
    expect(first.stderr).toContain(`go on with --behind ${numbers[1]}`);
    const rest = await run('list', '--each', '--behind', String(numbers[1]));
    expect(rest.stdout.trim().split('\n')).toHaveLength(3);
    expect(rest.stderr).toBe('');
  });

  it(
    'counts what waits in the queue, also while the database is away',
    async () => {
      const channel = await scratch.broker.createConfirmChannel();
      for (let n = 0; n < 3; n += 1) channel.publish(deadLetters, '', Buffer.from('waiting'));
      await channel.waitForConfirms();
      await putLetters(scratch, SOME);
      // A quorum queue tells its length some seconds late.
      await expect
        .poll(async () => (await run('list')).stdout, { timeout: 30_000 })
        .toMatch(/^5 letters wait to be decided; 3 in the queue\n/);
      for (const way of [['list'], ['list', '--each']]) {
        const away = await run(...way, '--database-url', 'postgres://127.0.0.1:1/none');
        expect([away.code, away.stdout]).toEqual([69, '3 letters wait in the queue\n']);
        expect(away.stderr).toContain('refuses the connection');
      }
      const headless = await run('list', '--amqp-url', 'amqp://127.0.0.1:1');
      expect(headless.code).toBe(69);
      expect(headless.stdout).toContain('5 letters wait to be decided\n');
      await channel.purgeQueue(deadLetters);
      await channel.close();
    },
    PATIENCE_MS,
  );

  it(
    'groups, filters and pages a million letters by indexes, and takes no more than a page of them',
    async () => {
      await scratch.sql.query(`
        INSERT INTO holdfast_dead_letters (letter_id, failed_at, code, object_id, object_type, node, partition, headers, body)
        SELECT gen_random_uuid(), now() - i * interval '1 second', 'CODE_' || i % 4, 'user-' || i % 100000, 'T' || i % 3,
               'node-' || i % 7, '16.' || i % 16, '{}', '\\x00'
        FROM generate_series(1, 1000000) AS i`);
      expect(await cli.json(['dead-letters', 'list'])).toMatchObject({
        open: 1_000_000,
        groups: { length: 12 },
      });
      const page = await run('list', '--each', '--json', '--node', 'node-3', '--limit', '3');
      expect(page.stdout.trim().split('\n')).toHaveLength(3);
      const object = await cli.json<{ letterCount: number }>(['object', 'user-77']);
      expect(object.letterCount).toBe(10);
      // As autovacuum does in life, and as our sessions plan.
      await scratch.sql.query('VACUUM ANALYZE holdfast_dead_letters');
      await scratch.sql.query('SET enable_seqscan = off');
      const plans: string[] = [];
      for (const condition of ['true', `node = 'node-3'`, `object_id = 'user-77'`]) {
        const { rows } = await scratch.sql.query<{ 'QUERY PLAN': string }>(
          `EXPLAIN SELECT failed_at, number FROM holdfast_dead_letters
           WHERE replayed_at IS NULL AND dropped_at IS NULL AND ${condition} ORDER BY failed_at, number LIMIT 100`,
        );
        plans.push(rows.map((row) => row['QUERY PLAN']).join('\n'));
      }
      expect(plans[0]).toContain('Index Only Scan using holdfast_dead_letters_open');
      expect(plans[1]).toContain('Index Only Scan using holdfast_dead_letters_open');
      expect(plans[2]).toContain('holdfast_dead_letters_open_object');
    },
    PATIENCE_MS * 2,
  );
});

describe('show', () => {
  it('tells everything, lays the document out as it stands, and says what is stored and what a replay would do', async () => {
    const document = '{"big":12345678901234567890,"text":"\\u00e9 {,}","list":[1,{}],"none":[]}';
    await scratch.sql.query(
      `INSERT INTO goverse_objects (object_id, object_type, data, version) VALUES ('x', 'User', '{}', 5)`,
    );
    const [number] = await putLetters(scratch, [
      {
        body: save({ id: 'x', type: 'User', version: 4 }, document),
        objectId: 'x',
        headers: { 'holdfast-message': 'no \u001b[31m colour', 'holdfast-worker': 'w1', nested: { a: 1 } },
      },
    ]);
    const letterId = (await tableLetters(scratch))[0]?.letterId ?? '';
    const { code, stdout } = await run('show', letterId);
    expect(code).toBe(0);
    for (const text of [
      `letter ${number}\n`,
      'reason           no \\u001b[31m colour\n',
      'holdfast-worker  w1\n',
      'nested           {"a":1}\n',
      '{\n  "big": 12345678901234567890,\n  "text": "\\u00e9 {,}",\n  "list": [\n    1,\n    {}\n  ],\n  "none": []\n}\n',
      'stored now:\n  x: live, type User, version 5, epoch 0\n',
      'a replay: would be superseded, since something newer is stored\n',
    ]) {
      expect(stdout).toContain(text);
    }
    expect((await run('show', String(number), '--body')).stdout).toBe(
      save({ id: 'x', type: 'User', version: 4 }, document),
    );
    expect(await cli.json(['dead-letters', 'show', String(number)])).toMatchObject({
      letterId,
      state: 'open',
      replay: { outcome: 'superseded' },
      objects: [{ id: 'x', row: { version: 5 }, tombstone: null }],
    });
    expect((await cli.run(['object', 'x'])).stdout).toContain(`open: #${number} UNSTORABLE`);
  });

  it('of what is no text, of what was dropped, and of nothing', async () => {
    const [binary, dropped] = await putLetters(scratch, [
      { body: Buffer.from([0xff, 0x1b]) },
      { body: 'a \u001b[31m line' },
    ]);
    expect((await run('show', String(binary))).stdout).toContain(
      '(2 bytes that are no UTF-8; --body writes them as they are)',
    );
    expect((await run('drop', String(dropped), '--yes')).code).toBe(0);
    const { stdout } = await run('show', `#${dropped}`);
    expect(stdout).toContain('a \\u001b[31m line');
    expect(stdout).toContain('state      dropped');
    expect(stdout).not.toContain('a replay:');
    const none = await run('show', '999999');
    expect([none.code, none.stdout]).toEqual([65, '']);
    expect(none.stderr).toContain('there is no letter 999999');
  });
});

describe('export', () => {
  it('writes what publish takes: corrected and published, everything is stored', async () => {
    const worker = await startWorker(scratch);
    const numbers = await putLetters(scratch, [
      { body: save({ id: 'a', version: 1 }, '{"v":"old"}'), objectId: 'a' },
      { body: save({ id: 'b', version: 1 }) + load({ id: 'b' }) + remove({ id: 'c', version: 2 }).trimEnd() },
      { body: load({ id: 'd' }) },
      { body: save({ id: 'e', version: 1 }, '[]'), objectId: 'e' },
    ]);
    const { code, stderr } = await run('export', 'out.ndjson');
    expect([code, stderr]).toEqual([
      0,
      `3 letters written to out.ndjson, the highest number is ${numbers[3]}; they stay open\n` +
        '1 letter left out: nothing but loads\n',
    ]);
    const file = join(cli.folder, 'out.ndjson');
    const text = readFileSync(file, 'utf8');
    expect(text).toBe(
      save({ id: 'a', version: 1 }, '{"v":"old"}') +
        save({ id: 'b', version: 1 }) +
        remove({ id: 'c', version: 2 }) +
        save({ id: 'e', version: 1 }, '[]'),
    );
    expect((await cli.run(['publish', 'out.ndjson', '--until', 'persisted'])).stderr).toContain('line 7');
    writeFileSync(file, text.replace('"old"', '"new"').replace('[]', '{"v":"new"}'));
    const published = await cli.run(['publish', 'out.ndjson', '--until', 'persisted']);
    expect(published.code).toBe(65);
    const { rows } = await scratch.sql.query(
      `SELECT object_id FROM goverse_objects WHERE object_id IN ('a','b','e') ORDER BY 1`,
    );
    expect(rows.map((row: { object_id: string }) => row.object_id)).toEqual(['a', 'b', 'e']);
    expect((await tableLetters(scratch)).every(({ open }) => open)).toBe(true);
    await worker.worker.stop();
  });

  it('does not write over a file unless told to, and names what is no text', async () => {
    const numbers = await putLetters(scratch, [{ body: 'nonsense' }, { body: Buffer.from([0xff]) }]);
    cli.file('kept', 'kept');
    const refused = await run('export', 'kept');
    expect(refused.code).toBe(64);
    expect(refused.stderr).toContain('kept exists');
    const { code, stderr } = await run('export', 'kept', '--force');
    expect(code).toBe(65);
    expect(stderr).toContain(`1 left out, since they are no UTF-8: ${numbers[1]};`);
    expect(readFileSync(join(cli.folder, 'kept'), 'utf8')).toBe('nonsense\n');
    expect((await run('export', '-', String(numbers[0]))).stdout).toBe('nonsense\n');
    expect((await run('export', 'no-folder/file')).code).toBe(74);
  });
});

const body = (id: string): string => save({ id, version: 1 });

describe('export and drop', () => {
  it('close exactly what was exported, whatever else comes in or is opened again meanwhile', async () => {
    const many = await putLetters(scratch, [
      { body: body('third'), failedAt: ago(HOUR_MS) },
      { body: body('first'), failedAt: ago(3 * HOUR_MS) },
      { body: load({ id: 'unheard' }), failedAt: ago(2.5 * HOUR_MS) },
      { body: body('second'), failedAt: ago(2 * HOUR_MS) },
    ]);
    const [third, first, unheard, second] = many;
    const told = await cli.json(['dead-letters', 'export', 'f', '--letters', 'l', '--limit', '3']);
    expect(told).toMatchObject({ file: 'f', letters: 'l', written: 2, numberMax: second, loads: 1 });
    expect(readFileSync(join(cli.folder, 'f'), 'utf8')).toBe(body('first') + body('second'));
    const listed = readFileSync(join(cli.folder, 'l'), 'utf8');
    expect(listed).toMatch(new RegExp(`^${first} [0-9a-f-]{36}\\n${second} [0-9a-f-]{36}\\n$`));
    // Older than what was exported, and opened again since: both have numbers of their own.
    const [late] = await putLetters(scratch, [{ body: body('late'), failedAt: ago(9 * HOUR_MS) }]);
    await scratch.sql.query('UPDATE holdfast_dead_letters SET number = DEFAULT WHERE number = $1', [second]);
    const { code, stdout } = await run('drop', '--letters', 'l', '--yes');
    expect([code, stdout]).toEqual([0, 'dropped 1 letter\n']);
    const open = (await tableLetters(scratch)).filter((each) => each.open).map(({ number }) => number);
    expect(open).toEqual([third, unheard, late, expect.any(Number)]);
    expect((await run('list', '--audit')).stdout).toMatch(/ drop .* dropped 1 +listed 2, letters l\n/);
    expect((await run('drop', '--letters', 'l', '--yes')).stdout).toBe('no open letter is meant\n');
  });

  it('of another database, of no such file, or of another kind closes nothing', async () => {
    const [number] = await putLetters(scratch, [{ body: 'x' }]);
    cli.file('other', `${number} 00000000-0000-4000-8000-000000000000\n`);
    expect((await run('drop', '--letters', 'other', '--yes')).stdout).toBe('no open letter is meant\n');
    cli.file('lines', 'x\n');
    const wrong = await run('drop', '--letters', 'lines', '--yes');
    expect([wrong.code, wrong.stderr]).toEqual([
      65,
      expect.stringContaining('lines, line 1: not the number'),
    ]);
    expect((await run('drop', '--letters', 'nowhere', '--yes')).code).toBe(64);
    expect((await run('drop', '--letters', 'other', String(number), '--yes')).code).toBe(64);
    expect((await run('export', 'new', '--letters', 'lines')).stderr).toContain('lines exists');
    expect((await tableLetters(scratch)).map(({ open }) => open)).toEqual([true]);
  });

  it('close thousands of them', async () => {
    await scratch.sql.query(`
      INSERT INTO holdfast_dead_letters (letter_id, failed_at, code, headers, body)
      SELECT gen_random_uuid(), now(), 'UNSTORABLE', '{}', 'x' FROM generate_series(1, 11000)`);
    expect((await run('export', 'thousands', '--letters', 'thousands.letters')).code).toBe(0);
    await putLetters(scratch, [{ body: 'y' }]);
    const { stdout } = await run('drop', '--letters', 'thousands.letters', '--yes');
    expect(stdout).toBe('dropped 11,000 letters\n');
    expect((await tableLetters(scratch)).filter(({ open }) => open)).toMatchObject([{ body: 'y' }]);
  });
});

describe('drop', () => {
  it('wants to be told twice, and leaves a record of who did what', async () => {
    const numbers = await putLetters(scratch, SOME);
    const unsaid = await run('drop');
    expect([unsaid.code, unsaid.stderr]).toEqual([
      64,
      'holdfast: nothing says which letters. Name letters, give a filter, or take --all.\n',
    ]);
    const unsure = await run('drop', '--type', 'User');
    expect([unsure.code, unsure.stderr]).toEqual([
      64,
      'holdfast: would drop 3 letters. Add --yes to do it.\n',
    ]);
    expect((await tableLetters(scratch)).every(({ open }) => open)).toBe(true);
    const sure = await run('drop', '--type', 'User', '--yes');
    expect([sure.code, sure.stdout]).toEqual([0, 'dropped 3 letters\n']);
    expect((await tableLetters(scratch)).map(({ dropped }) => dropped)).toEqual([
      true,
      true,
      true,
      false,
      false,
    ]);
    const again = await run('drop', String(numbers[0]), '--yes');
    expect(again.stderr).toContain(`letter ${numbers[0]} is not open: it was dropped`);
    const { stdout } = await run('list', '--audit');
    expect(stdout).toMatch(/Z {2}\S+@\S+ +drop +.* dropped 3 +types User\n/);
    expect((await run('drop', '--all', '--yes')).stdout).toBe('dropped 2 letters\n');
    expect((await run('drop', '--all', '--yes')).stdout).toBe('no open letter is meant\n');
  });
});
