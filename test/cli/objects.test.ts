/** `load`, `list`, `delete` and `object`, with a worker and without. */
import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { partitionOf, shardOf } from '../../src/contract/partition.ts';
import { eventually } from '../support/eventually.ts';
import { openScratch, PARTITIONS } from '../support/scratch.ts';
import { Cli, type Ended, PATIENCE_MS, startWorker } from './cli-process.ts';

const scratch = await openScratch();
const cli = Cli.for(scratch);

/** Publishes commands and waits until they are stored. */
async function publish(...lines: readonly string[]): Promise<void> {
  const input = `${lines.join('\n')}\n`;
  const { code, stderr } = await cli.run(['publish', '-', '--until', 'persisted'], { input });
  expect([code, stderr]).toEqual([0, '']);
}

async function save(id: string, document: string, fields = ''): Promise<void> {
  await publish(`{"save":{"id":"${id}","type":"Thing"${fields}}}`, document);
}

const linesOf = (text: string): unknown[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);

beforeAll(async () => {
  await startWorker(cli);
});

describe('load', () => {
  it('prints a line for each object, in order, its document byte for byte', async () => {
    await save('l1', '{"big":9007199254740993}', ',"version":5,"epoch":2,"nextRcseq":4');
    await save('l2', '{"text":"é\\n"}', ',"version":6');
    const { code, stdout, stderr } = await cli.run(['load', 'l2', 'l1']);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toBe(
      '{"id":"l2","found":true,"type":"Thing","version":6,"epoch":0,"document":{"text": "é\\n"}}\n' +
        '{"id":"l1","found":true,"type":"Thing","version":5,"epoch":2,"nextRcseq":4,"document":{"big": 9007199254740993}}\n',
    );
  });

  it('says which are absent, and with what version to go on', async () => {
    await publish('{"delete":{"id":"l3","version":9}}');
    const { code, stdout, stderr } = await cli.run(['load', 'l3', 'l4', '--committed']);
    expect(code).toBe(65);
    expect(stdout).toBe(
      '{"id":"l3","found":false,"version":9,"epoch":0}\n{"id":"l4","found":false,"version":0,"epoch":0}\n',
    );
    expect(stderr).toBe('holdfast: 2 objects are absent\n');
  });

  it('leaves the document out', async () => {
    await save('l5', '{}', ',"version":5');
    expect((await cli.run(['load', 'l5', '--no-document'])).stdout).toBe(
      '{"id":"l5","found":true,"type":"Thing","version":5,"epoch":0}\n',
    );
  });

  it('reads ids from standard input, plain or as lines of list and load', async () => {
    await save('l6', '{}');
    await save('l7', '{}');
    const input = 'l6\r\n\n{"id":"l7","version":1}\n{"no":"id"}';
    const { stdout } = await cli.run(['load', '-', '--no-document'], { input });
    expect(linesOf(stdout)).toMatchObject([
      { id: 'l6', found: true },
      { id: 'l7', found: true },
      { id: '{"no":"id"}', found: false },
    ]);
  });
});

describe('list', () => {
  const documents = Array.from({ length: 1_203 }, (_, n) => String(n).padStart(5, '0'));

  beforeAll(async () => {
    const input = documents.map((n) => `{"id":"r${n}"}\n`).join('');
    const args = ['publish', '-', '--type', 'Room', '--id', 'id', '--until', 'persisted'];
    expect((await cli.run(args, { input })).code).toBe(0);
  });

  it('prints a page and says that there is more', async () => {
    const { code, stdout, stderr } = await cli.run(['list', 'Room', '--limit', '2']);
    expect(code).toBe(0);
    expect(linesOf(stdout)).toMatchObject([{ id: 'r00000', type: 'Room' }, { id: 'r00001' }]);
    expect(stdout).not.toContain('document');
    expect(stderr).toBe('holdfast: there may be more; go on with --after "r00001", or take --all\n');
  });

  it('goes on behind an id, with documents', async () => {
    const { stdout } = await cli.run(['list', 'Room', '--after', 'r01201', '--limit', '5', '--documents']);
    expect(linesOf(stdout)).toMatchObject([{ id: 'r01202', document: { id: 'r01202' } }]);
  });

  it('prints all, in several pages where there are documents', async () => {
    const { stdout, stderr } = await cli.run(['list', 'Room', '--all', '--documents']);
    expect(stderr).toBe('');
    expect((linesOf(stdout) as { id: string }[]).map(({ id }) => id)).toEqual(documents.map((n) => `r${n}`));
  });

  it('prints nothing for a type that does not exist', async () => {
    expect(await cli.run(['list', 'Nothing', '--all'])).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  it('ends quietly when its reader does', async () => {
    const running = cli.start(['list', 'Room', '--all']);
    running.child.stdout?.once('data', () => running.child.stdout?.destroy());
    expect(await running.ended).toMatchObject({ code: 0, stderr: '' });
  });

  it('gives load what it reads', async () => {
    const { stdout: input } = await cli.run(['list', 'Room', '--limit', '1100']);
    const { code, stdout } = await cli.run(['load', '-'], { input });
    expect(code).toBe(0);
    expect(linesOf(stdout)).toHaveLength(1_100);
  });
});

describe('delete', () => {
  it('says what became of each', async () => {
    await save('d1', '{}', ',"version":5');
    const { code, stdout } = await cli.run(['delete', 'd1', 'd2', '--version', '7']);
    expect([code, stdout]).toEqual([0, 'd1: deleted, version 7\nd2: deleted, version 7\n']);
    expect((await cli.run(['load', 'd1'])).stdout).toBe('{"id":"d1","found":false,"version":7,"epoch":0}\n');
  });

  it('leaves alone what is newer, not as expected, or owned by another', async () => {
    await save('d3', '{}', ',"version":50,"epoch":3');
    const refused = async (...args: readonly string[]): Promise<string> => {
      const { code, stdout, stderr } = await cli.run(['delete', 'd3', ...args]);
      expect([code, stdout]).toEqual([65, '']);
      return stderr;
    };
    expect(await refused('--epoch', '3', '--version', '7')).toContain('"d3": not deleted: ');
    expect(await refused('--epoch', '3', '--if-version', '7')).toContain('version 50 (CONFLICT)');
    expect(await refused()).toContain('(FENCED)');
    expect((await cli.run(['delete', 'd3', '--epoch', '3', '--if-version', '50'])).code).toBe(0);
  });

  it('reads ids from standard input, and can be content with the confirm', async () => {
    await save('d4', '{}');
    const args = ['delete', '-', '--until', 'confirmed', '--json'];
    const { code, stdout, stderr } = await cli.run(args, { input: 'd4\nd5\n' });
    expect([code, stderr]).toEqual([0, '']);
    expect(linesOf(stdout)).toMatchObject([
      { id: 'd4', outcome: 'confirmed' },
      { id: 'd5', outcome: 'confirmed' },
    ]);
    expect((await cli.run(['load', 'd4'])).code).toBe(65);
  });
});

describe('a delete that fails after it was confirmed', () => {
  it('is told, and makes the exit code that of bad input', async () => {
    await save('late-0', '{}', ',"epoch":3');
    // Read in two parts, so that the first delete is decided while the second is awaited.
    const running = cli.start(['delete', '-', '--until', 'confirmed', '--json']);
    running.child.stdin?.write('late-0\n');
    await eventually(() => running.stderr !== '', PATIENCE_MS);
    running.child.stdin?.end('late-1\n');
    const { code, stdout, stderr } = await running.ended;
    expect(code).toBe(65);
    expect(stderr).toBe(
      '"late-0": failed after it was confirmed: the object was claimed with a higher epoch (FENCED)\n',
    );
    const lines = linesOf(stdout) as { id: string; outcome: string }[];
    // It may be heard before the others of its batch are confirmed.
    expect(lines.map(({ id, outcome }) => `${id} ${outcome}`).toSorted()).toEqual([
      'late-0 confirmed',
      'late-0 failed',
      'late-1 confirmed',
    ]);
  });
});

describe('ids from standard input', () => {
  it.each(['delete', 'load'])('may be stopped behind a batch: %s', async (command) => {
    await save('stopped-0', '{}');
    const running = cli.start([command, '-']);
    running.child.stdin?.write('stopped-0\nstopped-');
    await running.printed('stopped-0');
    running.signal('SIGINT');
    const { code, stdout, stderr } = await running.ended;
    expect([code, stderr]).toEqual([75, 'stopping: what was begun is finished; again to leave at once\n']);
    expect(stdout.trimEnd().split('\n')).toHaveLength(1);
  });
});

const reset = (...args: readonly string[]): Promise<Ended> =>
  cli.run(['object', ...args, '--reset', '--yes']);

describe('object', () => {
  interface Findings {
    readonly state: string;
    readonly row: { readonly version: number } | null;
    readonly tombstone: { readonly version: number } | null;
    readonly [name: string]: unknown;
  }
  const find = (id: string): Promise<Findings> => cli.json<Findings>(['object', id]);

  it('says everything about a live one', async () => {
    await save('o1', '{"big":9007199254740993}', ',"version":1763894400000001,"epoch":2,"nextRcseq":4');
    const claims = Array.from({ length: 7 }, () => randomUUID());
    for (const [index, claim] of claims.entries()) {
      await scratch.sql.query(
        `INSERT INTO holdfast_claims VALUES ('o1', $1, $2, now() + $3 * interval '1 second')`,
        [claim, index + 1, index],
      );
    }
    const shard = shardOf('o1');
    const queue = `${scratch.names.prefix}.commands.${PARTITIONS}.${partitionOf('o1', PARTITIONS)}`;
    expect(await find('o1')).toMatchObject({
      id: 'o1',
      state: 'live',
      shard,
      partition: partitionOf('o1', PARTITIONS),
      partitions: PARTITIONS,
      lockSlot: shard % 64,
      queue,
      row: { type: 'Thing', version: 1763894400000001, epoch: 2, nextRcseq: 4, textBytes: 25 },
      tombstone: null,
      claimCount: 7,
      claims: [{ epoch: 7, claim: claims[6] }, { epoch: 6 }, { epoch: 5 }, { epoch: 4 }, { epoch: 3 }],
    });
    const { code, stdout } = await cli.run(['object', 'o1', '--document']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^o1\n {2}state +live\n {2}type +Thing\n/);
    expect(stdout).toContain('1763894400000001 (2025-11-23T10:40:00.000Z, ');
    expect(stdout).toContain(`epoch 7 at `);
    expect(stdout).toContain(queue);
    expect(stdout).toMatch(/\n\n\{"big": 9007199254740993\}\n$/);
    const withDocument = await cli.run(['object', 'o1', '--document', '--json']);
    expect(withDocument.stdout).toMatch(/,"document":\{"big": 9007199254740993\}\}\n$/);
  });

  it('knows a deleted, a claimed and an unknown one', async () => {
    await publish('{"delete":{"id":"o2","version":9,"epoch":1}}');
    expect(await find('o2')).toMatchObject({
      state: 'deleted',
      row: null,
      tombstone: { version: 9, epoch: 1 },
    });
    await scratch.sql.query("INSERT INTO holdfast_tombstones VALUES ('o3', 0, 4)");
    expect(await find('o3')).toMatchObject({ state: 'claimed' });
    const { code, stdout } = await cli.run(['object', 'o4']);
    expect(code).toBe(65);
    expect(stdout).toContain('unknown: never stored');
  });

  describe('--reset', () => {
    const WILD = 9_007_199_254_740_991;

    it('lets saves go on behind a wild version', async () => {
      await save('z1', '{"n":1}', `,"version":${WILD},"epoch":2`);
      const input = '{"save":{"id":"z1","type":"Thing","epoch":2}}\n{"n":2}\n';
      expect((await cli.run(['publish', '-', '--until', 'persisted'], { input })).code).toBe(65);
      expect((await cli.run(['object', 'z1'])).stdout).toContain('see --reset');

      const unsure = await cli.run(['object', 'z1', '--reset']);
      expect(unsure.code).toBe(64);
      expect(unsure.stderr).toContain(`would set the version of "z1" from ${WILD}`);
      expect(unsure.stderr).toContain('let them drop it first');
      expect((await find('z1')).row?.version).toBe(WILD);

      const before = Date.now() * 1_000;
      const sure = await cli.run(['object', 'z1', '--reset', '--yes', '--json']);
      expect(sure.code).toBe(0);
      const { from, to } = JSON.parse(sure.stdout) as { from: number; to: number };
      expect(from).toBe(WILD);
      expect(to).toBeGreaterThanOrEqual(before);
      expect(await find('z1')).toMatchObject({ row: { version: to, epoch: 2 } });
      expect((await cli.run(['publish', '-', '--until', 'persisted'], { input })).code).toBe(0);
      expect((await cli.run(['load', 'z1'])).stdout).toContain('"document":{"n": 2}');
    });

    it('does the same for a tombstone', async () => {
      await publish(`{"delete":{"id":"z2","version":${WILD}}}`);
      expect((await cli.run(['object', 'z2', '--reset', '--yes', '--to', '100'])).code).toBe(0);
      expect(await find('z2')).toMatchObject({ state: 'deleted', tombstone: { version: 100 } });
    });

    it('refuses what makes no sense', async () => {
      await save('z3', '{}');
      const tame = await reset('z3');
      expect(tame.code).toBe(65);
      expect(tame.stderr).toContain('is not ahead of time. A reset could only let older states back in');
      await save('z4', '{}', `,"version":${WILD}`);
      const wild = await reset('z4', '--to', String(WILD - 1));
      expect(wild.code).toBe(64);
      expect(wild.stderr).toContain('is ahead of time itself');
      expect((await reset('z5')).stderr).toContain('there is no object "z5", and no tombstone');
      expect((await reset('z3', '--to', '5', '--force')).code).toBe(0);
      expect((await find('z3')).row?.version).toBe(5);
    });

    it('waits for writers no longer than it may', async () => {
      await save('z6', '{}', `,"version":${WILD}`);
      const holder = await scratch.connect();
      await holder.query('SELECT pg_advisory_lock(1752132708, $1)', [shardOf('z6') % 64]);
      const { code, stderr } = await cli.run([
        'object',
        'z6',
        '--reset',
        '--yes',
        '--lock-timeout-ms',
        '100',
      ]);
      await holder.query('SELECT pg_advisory_unlock_all()');
      expect(code).toBe(75);
      expect(stderr).toMatch(/^holdfast: .*lock timeout.* Others were writing; run it again\.\n$/);
      expect((await find('z6')).row?.version).toBe(WILD);
    });
  });
});
