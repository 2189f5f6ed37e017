/**
 * Letters that are sent again, by the command line as a process of its own. Goal: each is applied once or superseded,
 * none is lost, whatever interrupts it and however often it is run.
 */
import { randomUUID } from 'node:crypto';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Cli, PATIENCE_MS, startWorker as startWorkerProcess } from '../cli/cli-process.ts';
import { eventually } from '../support/eventually.ts';
import { emptyTable, putLetters, tableLetters, untilTableHas } from '../support/letter-table.ts';
import { openScratch, PARTITIONS } from '../support/scratch.ts';
import { idsOfPartition, lines, load, remove, save, TestPublisher } from '../support/test-publisher.ts';
import { startWorker, type TestWorker } from '../support/test-worker.ts';

const scratch = await openScratch();
const cli = Cli.for(scratch);
let worker: TestWorker;
let publisher: TestPublisher;

beforeAll(async () => {
  worker = await startWorker(scratch);
  publisher = await TestPublisher.open(scratch);
});

afterEach(async () => {
  expect(worker.fatal).toEqual([]);
  await emptyTable(scratch);
  await scratch.sql.query('TRUNCATE goverse_objects, holdfast_tombstones, holdfast_dead_letter_audit');
});

const replay = (...args: string[]) => cli.run(['dead-letters', 'replay', ...args]);

async function replayJson(...args: string[]): Promise<Record<string, number>> {
  return await cli.json(['dead-letters', 'replay', ...args]);
}

/** Type, version and document of an object. */
async function stored(id: string): Promise<{ version: number; data: unknown } | undefined> {
  const { rows } = await scratch.sql.query<{ version: string; data: unknown }>(
    'SELECT version, data FROM goverse_objects WHERE object_id = $1',
    [id],
  );
  return rows[0] && { version: Number(rows[0].version), data: rows[0].data };
}

describe('a replay after the table was repaired', () => {
  const REFUSING = `CHECK ((data ->> 'age')::int > 0)`;

  /**
   * Real letters: saves that a constraint refuses, each beside a good one, since nothing but refusals is taken for a fault
   * of the system. Returns the refused ids.
   */
  async function makeLetters(count: number): Promise<string[]> {
    await scratch.sql.query(`ALTER TABLE goverse_objects ADD CONSTRAINT positive_age ${REFUSING}`);
    const [good = '', ...ids] = idsOfPartition(2, count + 1, 'aged');
    await Promise.all(
      ids.map(async (id, i) => {
        const frame =
          save({ id: good, version: 1 + i }, '{"age":1}') +
          save({ id, version: 5, type: 'User' }, '{"age":-1}');
        await publisher.outcomes(frame, { appId: 'node-1', partition: 2 });
      }),
    );
    await untilTableHas(scratch, count);
    await scratch.sql.query('ALTER TABLE goverse_objects DROP CONSTRAINT positive_age');
    return ids;
  }

  it(
    'that is interrupted by SIGKILL half-way and run again applies every letter once or finds it superseded',
    async () => {
      const ids = await makeLetters(40);
      const more = Array.from({ length: 360 }, (_, i) => `aged-more-${i}`);
      await putLetters(
        scratch,
        more.map((id) => ({ body: save({ id, version: 5, type: 'User' }, '{"age":-1}'), objectId: id })),
      );
      ids.push(...more);
      // Some have moved on meanwhile.
      const overtaken = new Set(ids.filter((_, i) => i % 10 === 0));
      for (const id of overtaken)
        await publisher.outcomes(save({ id, version: 9, type: 'User' }, '{"age":9}'));
      expect(await replayJson('--dry-run')).toMatchObject({ letters: 400, applied: 360, superseded: 40 });
      expect((await tableLetters(scratch)).every(({ open }) => open)).toBe(true);

      const killed = cli.start(['dead-letters', 'replay', '--rate', '150']);
      await eventually(async () => (await tableLetters(scratch)).some(({ open }) => !open), PATIENCE_MS);
      killed.signal('SIGKILL');
      await killed.ended;
      const half = (await tableLetters(scratch)).filter(({ open }) => open).length;
      expect(half).toBeGreaterThan(0);
      expect(half).toBeLessThan(400);

      const again = await replayJson();
      expect((again['applied'] ?? 0) + (again['superseded'] ?? 0)).toBe(half);
      const letters = await tableLetters(scratch);
      expect(letters).toHaveLength(400);
      for (const { open, outcome, objectId } of letters) {
        expect(open).toBe(false);
        expect(outcome).toBe(overtaken.has(objectId ?? '') ? 'superseded' : 'applied');
      }
      for (const id of ids) {
        const expected = overtaken.has(id)
          ? { version: 9, data: { age: 9 } }
          : { version: 5, data: { age: -1 } };
        expect(await stored(id)).toEqual(expected);
      }
      const audit = (await cli.run(['dead-letters', 'list', '--audit', '--json'])).stdout;
      const records = audit
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>);
      expect(records).toMatchObject([
        { action: 'replay', finishedAt: expect.any(String), counts: { applied: again['applied'] } },
        { action: 'replay', finishedAt: null, filter: { rate: 150 } },
      ]);
    },
    PATIENCE_MS,
  );

  it('is reported in numbers and in the exit code', async () => {
    await makeLetters(12);
    const { code, stdout } = await replay('--node', 'node-1', '--limit', '5');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^5 letters of 12 in .*\n5 applied\n$/);
    expect((await tableLetters(scratch)).filter(({ open }) => !open)).toHaveLength(5);
    expect(await replayJson('--limit', '100')).toMatchObject({ letters: 7, of: 7, applied: 7 });
    expect((await replay()).stdout).toBe('no letter was sent\n');
  });
});

/** A module of schemas, in which the age of type Aged must be of this type. */
const schema = (age: string): string =>
  `const fits = (d) => typeof d.age === '${age}';
       export const Aged = { safeParse: (d) => fits(d) ? { success: true, data: d }
         : { success: false, error: { issues: [{ code: 'invalid_type', path: ['age'], message: '' }] } } };`;

describe('a letter', () => {
  it('that is rejected again is closed, and there is one new open letter of the same command', async () => {
    await scratch.sql.query(`ALTER TABLE goverse_objects ADD CONSTRAINT no_b CHECK (object_id <> 'b')`);
    const body = save({ id: 'b', version: 1, type: 'User' }, '{"v":1}');
    await putLetters(scratch, [
      { body, objectId: 'b', node: 'node-1', publishedAt: new Date(Date.now() - 3_000).toISOString() },
    ]);
    for (let time = 2; time <= 3; time += 1) {
      const { code, stdout } = await replay();
      expect(code).toBe(65);
      expect(stdout).toContain('1 rejected again (it is a new letter)');
      const letters = await untilTableHas(scratch, time);
      expect(letters.map(({ open, outcome }) => (open ? 'open' : outcome))).toEqual([
        ...Array.from({ length: time - 1 }, () => 'rejected'),
        'open',
      ]);
      expect(letters.at(-1)).toMatchObject({ code: 'UNSTORABLE', objectId: 'b', node: 'node-1', body });
      expect(letters.at(-1)?.publishedAt?.slice(0, 19)).toBe(letters[0]?.publishedAt?.slice(0, 19));
    }
    await scratch.sql.query('ALTER TABLE goverse_objects DROP CONSTRAINT no_b');
    expect(await replayJson()).toMatchObject({ letters: 1, applied: 1 });
    expect(await stored('b')).toEqual({ version: 1, data: { v: 1 } });
  });

  it('whose replay was rejected unheard is closed by the new letter itself', async () => {
    const body = lines('{"save":{"id":"u","type":"T","version":0}}', '{}');
    const [number] = await putLetters(scratch, [{ body, objectId: 'u' }]);
    const letterId = (await tableLetters(scratch))[0]?.letterId ?? '';
    const movedBefore = await worker.metric('holdfast_dead_letters_moved_total');
    // As a replay that is killed before it hears the answer; and once more, by the next run.
    for (let time = 0; time < 2; time += 1) {
      await publisher.outcomes(body, { messageId: `holdfast-replay/${letterId}` });
    }
    await eventually(
      async () => (await worker.metric('holdfast_dead_letters_moved_total')) === movedBefore + 2,
    );
    expect(await tableLetters(scratch)).toMatchObject([
      { number, outcome: 'rejected', open: false },
      { code: 'INVALID_COMMAND', objectId: 'u', open: true },
    ]);
  });

  it('that is fenced or in conflict stays open and is counted', async () => {
    const claim = randomUUID();
    await publisher.outcomes(load({ id: 'f', claim }));
    await publisher.outcomes(save({ id: 'c', version: 5 }, '{"mine":true}'));
    await putLetters(scratch, [
      { body: save({ id: 'f', version: 9 }), objectId: 'f', code: 'FENCED' },
      { body: save({ id: 'c', version: 5 }, '{"mine":false}'), objectId: 'c', code: 'CONFLICT' },
      { body: save({ id: 'n', version: 5, ifVersion: 4 }), objectId: 'n', code: 'CONFLICT' },
      { body: save({ id: 's', version: 5 }, '{"mine":true}').replace('"s"', '"c"'), objectId: 'c' },
    ]);
    expect(await replayJson('--dry-run')).toMatchObject({ fenced: 1, conflict: 2, applied: 1 });
    const { code, stdout } = await replay();
    expect(code).toBe(65);
    expect(stdout).toContain('1 applied; left open: 1 fenced, 2 in conflict\n');
    const letters = await tableLetters(scratch);
    expect(letters.map(({ open, outcome }) => [open, outcome])).toEqual([
      [true, 'fenced'],
      [true, 'conflict'],
      [true, 'conflict'],
      [false, 'applied'],
    ]);
  });

  it('that is still invalid, or only a load, is left out and stays as it is', async () => {
    await putLetters(scratch, [
      { body: save({ id: 'i', version: 1 }, '[]'), objectId: 'i' },
      { body: 'no frame\n', code: 'MALFORMED_FRAME' },
      {
        body: save({ id: 'v', version: 1 }),
        messageType: 'holdfast.commands.v9',
        code: 'UNSUPPORTED_VERSION',
      },
      { body: Buffer.from([0xff, 0x0a]), code: 'MALFORMED_FRAME' },
      { body: load({ id: 'l' }) },
    ]);
    const { code, stdout } = await replay('--dry-run');
    expect([code, stdout]).toEqual([0, '4 are still invalid, 1 is a load that nobody waits for\n']);
    expect((await replay()).code).toBe(65);
    await emptyTable(scratch);
  });

  it('that does not fit the schema of its type is left out until the schema is relaxed', async () => {
    await putLetters(scratch, [
      {
        body: save({ id: 'z', version: 1, type: 'Aged' }, '{"age":"7"}'),
        objectId: 'z',
        code: 'SCHEMA_VIOLATION',
      },
    ]);
    const strict = cli.file('strict.mjs', schema('number'));
    const relaxed = cli.file('relaxed.mjs', schema('string'));
    expect((await replay('--types', strict)).stdout).toContain('1 is still invalid');
    expect(await stored('z')).toBeUndefined();
    expect(await replayJson('--types', relaxed)).toMatchObject({ letters: 1, applied: 1 });
    expect(await stored('z')).toEqual({ version: 1, data: { age: '7' } });
  });

  it('of a whole frame is split by the partitions of today; loads are left out, invalid commands become letters', async () => {
    const ids = [0, 1, 2, 3].flatMap((partition) => idsOfPartition(partition, 2, 'split'));
    const body = [
      ...ids.map((id) => save({ id, version: 3 }, `{"of":"${id}"}`)),
      load({ id: ids[0] ?? '' }),
      lines('{"delete":{"id":"broken"}}'),
      remove({ id: ids[1] ?? '', version: 4 }).trimEnd(),
    ].join('');
    const [number] = await putLetters(scratch, [{ body, code: 'DELIVERY_LIMIT', partition: '16.1' }]);
    const { stdout } = await cli.run(['dead-letters', 'show', String(number)]);
    expect(stdout).toContain(
      'a replay: would apply, as far as can be told without trying: 9 applied, 1 invalid, 1 left out (loads)',
    );
    expect(await replayJson()).toMatchObject({ letters: 1, rejected: 1 });
    for (const [index, id] of ids.entries()) {
      expect(await stored(id)).toEqual(index === 1 ? undefined : { version: 3, data: { of: id } });
    }
    expect(await untilTableHas(scratch, 2)).toMatchObject([
      { open: false, outcome: 'rejected' },
      { open: true, code: 'INVALID_COMMAND', objectId: 'broken', body: lines('{"delete":{"id":"broken"}}') },
    ]);
  });

  it('never overwrites what is newer, nor brings back what was deleted', async () => {
    await publisher.outcomes(save({ id: 'newer', version: 9 }, '{"v":9}'));
    await publisher.outcomes(remove({ id: 'gone', version: 9 }));
    await putLetters(scratch, [
      { body: save({ id: 'newer', version: 8 }, '{"v":8}'), objectId: 'newer' },
      { body: save({ id: 'gone', version: 8 }, '{"v":8}'), objectId: 'gone' },
    ]);
    expect(await replayJson()).toMatchObject({ superseded: 2 });
    expect(await stored('newer')).toEqual({ version: 9, data: { v: 9 } });
    expect(await stored('gone')).toBeUndefined();
  });

  it('that may be older than a forgotten delete is only sent by force', async () => {
    const failedAt = new Date(Date.now() - 8 * 86_400_000).toISOString();
    const frame = save({ id: 'old-1', version: 1 }) + save({ id: 'old-2', version: 1 });
    await putLetters(scratch, [
      { body: frame, failedAt, code: 'DELIVERY_LIMIT' },
      { body: save({ id: 'old-3', version: 1 }), objectId: 'old-3', failedAt, publishedAt: failedAt },
      { body: save({ id: 'old-4', version: 1 }), objectId: 'old-4' },
    ]);
    const { code, stdout } = await replay();
    expect(code).toBe(65);
    expect(stdout).toContain('1 applied; left open: 2 are too old without --force');
    expect(await replayJson('--force')).toMatchObject({ applied: 2 });
  });
});

describe('two at once', () => {
  it('the second is told who is at it, and since when', async () => {
    await putLetters(
      scratch,
      [1, 2, 3].map((n) => ({ body: save({ id: `two-${n}`, version: 1 }) })),
    );
    const first = cli.start(['dead-letters', 'replay', '--rate', '1']);
    await eventually(async () => (await tableLetters(scratch)).some(({ open }) => !open), PATIENCE_MS);
    // Nothing more can be stored, so that the first is still at it, however long the others take.
    const holder = await scratch.connect();
    await holder.query('BEGIN');
    await holder.query('LOCK TABLE goverse_objects IN SHARE ROW EXCLUSIVE MODE');
    for (const command of [['replay'], ['drop', '--all', '--yes']]) {
      const { code, stdout, stderr } = await cli.run(['dead-letters', ...command]);
      expect([code, stdout]).toEqual([75, '']);
      expect(stderr).toMatch(/^holdfast: another one is at it: replay by \S+@\S+, since \d{4}-.*Z\. Wait/);
    }
    await holder.query('COMMIT');
    expect((await first.ended).code).toBe(0);
    expect((await tableLetters(scratch)).map(({ outcome }) => outcome)).toEqual([
      'applied',
      'applied',
      'applied',
    ]);
  });
});

describe('a replay', () => {
  it('finishes what was sent when it is told to stop, and says that it stopped', async () => {
    await putLetters(
      scratch,
      Array.from({ length: 50 }, (_, n) => ({ body: save({ id: `stop-${n}`, version: 1 }) })),
    );
    const run = cli.start(['dead-letters', 'replay', '--rate', '5']);
    await eventually(async () => (await tableLetters(scratch)).some(({ open }) => !open), PATIENCE_MS);
    run.signal('SIGINT');
    const { code, stdout, stderr } = await run.ended;
    expect(code).toBe(75);
    expect(stderr).toContain('run it again to go on');
    const closed = (await tableLetters(scratch)).filter(({ open }) => !open).length;
    expect(stdout).toContain(`${closed} letters of 50`);
    expect(closed).toBeLessThan(50);
    const { rows } = await scratch.sql.query(`SELECT FROM goverse_objects WHERE object_id LIKE 'stop-%'`);
    expect(rows).toHaveLength(closed);
  });

  it('that loses RabbitMQ on the way says so; run again, everything is applied', async () => {
    const proxy = await scratch.openProxy(scratch.amqpUrl);
    await putLetters(
      scratch,
      Array.from({ length: 30 }, (_, n) => ({ body: save({ id: `cut-${n}`, version: 1 }) })),
    );
    const run = cli.start(['dead-letters', 'replay', '--rate', '5', '--amqp-url', proxy.url]);
    await eventually(async () => (await tableLetters(scratch)).some(({ open }) => !open), PATIENCE_MS);
    proxy.cut();
    const { code, stderr } = await run.ended;
    expect(code).toBe(69);
    // Which of the two depends on whether one was sent at that moment and not confirmed.
    expect(stderr).toMatch(
      /(?:the connection to RabbitMQ was lost|RabbitMQ did not confirm); letters without an answer stay open/,
    );
    const left = (await tableLetters(scratch)).filter(({ open }) => open).length;
    expect(await replayJson()).toMatchObject({ letters: left, applied: left });
    expect(
      (await scratch.sql.query(`SELECT FROM goverse_objects WHERE object_id LIKE 'cut-%'`)).rows,
    ).toHaveLength(30);
  });

  it('without queues says so, and every letter stays open', async () => {
    await putLetters(scratch, [{ body: save({ id: 'q', version: 1 }) }]);
    const { code, stderr } = await replay('--partitions', '32');
    expect(code).toBe(78);
    expect(stderr).toMatch(/holdfast: no queue takes the routing key 32\.\d+\. Run holdfast topology/);
    expect(await tableLetters(scratch)).toMatchObject([{ open: true, outcome: null }]);
  });

  it('without a database sends nothing', async () => {
    const { code, stderr } = await replay('--database-url', 'postgres://127.0.0.1:1/none');
    expect(code).toBe(69);
    expect(stderr).toContain('PostgreSQL at postgres://127.0.0.1:1/none refuses the connection');
  });

  it('without workers gives up after the timeout; what was sent is applied by the next worker', async () => {
    await putLetters(scratch, [{ body: save({ id: 'late', version: 1 }) }]);
    await worker.worker.stop();
    const { code, stderr } = await replay('--timeout', '0.3');
    expect(code).toBe(69);
    expect(stderr).toContain('no worker answered for 300 ms');
    expect(await tableLetters(scratch)).toMatchObject([{ open: true }]);
    // Stopped with this test.
    await startWorker(scratch);
    await eventually(async () => (await stored('late')) !== undefined);
    expect(await replayJson()).toMatchObject({ applied: 1 });
  });
});

it('a worker as a process of its own moves and replays all the same', async () => {
  await worker.worker.stop();
  const own = await startWorkerProcess(cli);
  await publisher.request(save({ id: 'p', version: 1 }, '[]'), { partition: 0, messageId: randomUUID() });
  await untilTableHas(scratch, 1);
  own.signal('SIGTERM');
  expect((await own.ended).code).toBe(0);
  expect(PARTITIONS).toBe(4);
});
