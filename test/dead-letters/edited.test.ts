/** Letters that a person changes and sends, by the command line. Goal: what was written is stored, or still there. */
import { readFileSync, statSync } from 'node:fs';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Cli } from '../cli/cli-process.ts';
import { emptyTable, putLetters, tableLetters } from '../support/letter-table.ts';
import { openScratch } from '../support/scratch.ts';
import { save, TestPublisher } from '../support/test-publisher.ts';
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

const edit = (script: string, ...args: string[]) =>
  cli.run(['dead-letters', 'replay', ...args, '--edit'], {
    env: { EDITOR: `sh ${cli.file('editor.sh', script)}`, TMPDIR: cli.folder },
  });

describe('an edited letter', () => {
  const body = save({ id: 'e', version: 3, type: 'User' }, '{"age":"old"');

  it('is sent as it is then, and what was changed is written down', async () => {
    const [number] = await putLetters(scratch, [{ body, objectId: 'e', objectType: 'User', version: 3 }]);
    const { code, stdout } = await edit(`ls -l "$1" | cut -c1-10; sed -i 's/"old"/7}/' "$1"`, String(number));
    expect(stdout).toBe(`-rw-------\nletter ${number}, as edited: applied\n`);
    expect(code).toBe(0);
    const { rows } = await scratch.sql.query(
      `SELECT version::int, data FROM goverse_objects WHERE object_id = 'e'`,
    );
    expect(rows).toEqual([{ version: 3, data: { age: 7 } }]);
    expect(await tableLetters(scratch)).toMatchObject([{ open: false, outcome: 'applied', body }]);
    const { stdout: audit } = await cli.run(['dead-letters', 'list', '--audit']);
    expect(audit).toMatch(/^\S+ {2}\S+@\S+ {2}edit .* applied 1 /);
    for (const hash of [/before [0-9a-f]{64}/, /after [0-9a-f]{64}/]) expect(audit).toMatch(hash);
    expect(audit).toContain(`numbers ${number}`);
  });

  it.each([
    ['unchanged', ':'],
    ['empty', ': > "$1"'],
  ])('that is %s is not sent', async (_what, script) => {
    const [number] = await putLetters(scratch, [{ body, objectId: 'e' }]);
    const { code, stdout } = await edit(script, String(number));
    expect([code, stdout]).toEqual([0, 'nothing was changed, and nothing sent\n']);
    expect(await tableLetters(scratch)).toMatchObject([{ open: true, outcome: null }]);
  });

  it.each([
    ['is still invalid', `sed -i 's/"old"/7/' "$1"`, 'it is still invalid'],
    ['comes from an editor that fails', 'exit 3', 'the editor ended with 3'],
  ])('that %s is not sent, and says why', async (_what, script, message) => {
    const [number] = await putLetters(scratch, [{ body, objectId: 'e' }]);
    const { code, stderr } = await edit(script, String(number));
    expect(code).toBe(65);
    expect(stderr).toContain(message);
    expect(await tableLetters(scratch)).toMatchObject([{ open: true }]);
  });
});

/** The lines that a command says it has kept, for nobody else. */
function keptLines(stderr: string): string {
  const file = /what you have written is kept in (\S+)/.exec(stderr)?.[1] ?? '';
  const written = readFileSync(file, 'utf8');
  expect(statSync(file).mode & 0o077).toBe(0);
  return written;
}

describe('what a person has written', () => {
  const body = save({ id: 'w', version: 3 }, '{"age":"old"}');
  const written = body.replace('old', 'new');
  const script = `sed -i 's/old/new/' "$1"`;

  it.each([
    ['RabbitMQ is away', ['--amqp-url', 'amqp://127.0.0.1:1'], 69],
    ['no queue takes it', ['--partitions', '32'], 78],
  ])('is kept if %s', async (_what, flags, expected) => {
    const [number] = await putLetters(scratch, [{ body }]);
    const { code, stderr } = await edit(script, String(number), ...flags);
    expect(code).toBe(expected);
    expect(keptLines(stderr)).toBe(written);
  });

  it('is kept if it is still invalid, or in conflict', async () => {
    const [number] = await putLetters(scratch, [{ body }]);
    const invalid = await edit(`printf x >> "$1"`, String(number));
    expect(keptLines(invalid.stderr)).toBe(`${body}x`);
    await publisher.outcomes(save({ id: 'w', version: 3 }, '{"age":1}'));
    const conflict = await edit(script, String(number));
    expect(conflict.stdout).toContain('as edited: conflict');
    expect(keptLines(conflict.stderr)).toBe(written);
  });
});
