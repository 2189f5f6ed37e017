/** Lines of input to commands: both forms, what is missing, what is bad, and which line is named. */
import { describe, expect, it } from 'vitest';
import { IdTemplate } from '../../src/cli/publish/id-template.ts';
import { LineSplitter } from '../../src/cli/publish/line-splitter.ts';
import type { InputRecord } from '../../src/cli/publish/record.ts';
import { RecordReader, type RecordReaderOptions } from '../../src/cli/publish/record-reader.ts';

const PLAIN = { type: 'T', id: new IdTemplate('id') };

function read(
  lines: readonly (string | Buffer)[],
  options: Partial<RecordReaderOptions> = {},
): InputRecord[] {
  const reader = new RecordReader({ plain: undefined, epoch: 0, documentBytesMax: 1_000, ...options });
  const splitter = new LineSplitter(2_000);
  const bytes = Buffer.concat(lines.flatMap((line) => [Buffer.from(line), Buffer.from('\n')]));
  const pieces = [...splitter.push(bytes), ...splitter.end()];
  return [...pieces.flatMap((piece) => reader.read(piece)), ...reader.end()];
}

/** What is bad, as `line code`. */
function bad(records: readonly InputRecord[]): string[] {
  return records.flatMap((record) => (record.kind === 'bad' ? [`${record.line} ${record.code}`] : []));
}

const ids = (records: readonly InputRecord[]): string[] =>
  records.flatMap((record) => (record.kind === 'bad' ? [] : [record.id]));

describe('the wire form', () => {
  it('is read with every field', () => {
    const [save, remove] = read([
      '{"save":{"id":"a","type":"T","version":5,"epoch":2,"ifVersion":0,"nextRcseq":7,"x-note":1}}',
      ' {"n":9007199254740993} ',
      '{"delete":{"id":"b","version":6,"ifVersion":5}}',
    ]);
    expect(save).toMatchObject({
      kind: 'save',
      line: 1,
      id: 'a',
      type: 'T',
      version: 5,
      epoch: 2,
      ifVersion: 0,
      nextRcseq: 7,
    });
    expect(save?.kind === 'save' && save.document.toString()).toBe(' {"n":9007199254740993} ');
    expect(remove).toMatchObject({ kind: 'delete', line: 3, id: 'b', version: 6, ifVersion: 5 });
  });

  it('may leave the version out', () => {
    const records = read(['{"save":{"id":"a","type":"T"}}', '{}', '{"delete":{"id":"b"}}']);
    expect(bad(records)).toEqual([]);
    expect(records.map((record) => record.kind !== 'bad' && record.version)).toEqual([undefined, undefined]);
  });

  it('gets the epoch of the command line where it has none', () => {
    const records = read(['{"delete":{"id":"a"}}', '{"delete":{"id":"b","epoch":9}}'], { epoch: 3 });
    expect(records.map((record) => record.kind !== 'bad' && record.epoch)).toEqual([3, 9]);
  });

  it('has blank lines of spaces, tabs and carriage returns, and of nothing else', () => {
    expect(bad(read(['', ' \t\r', '\0', '\v', '{"delete":{"id":"a"}}']))).toEqual([
      '3 MALFORMED_FRAME',
      '4 MALFORMED_FRAME',
    ]);
  });

  it('names the line of what is bad, and goes on behind it', () => {
    const records = read([
      '{"save":{"id":"a","type":"T","version":0}}',
      '{"bad":"version"}',
      '{"save":{"id":"","type":"T"}}',
      '{"bad":"id"}',
      '{"save":{"id":"c","type":"T","tpye":1}}',
      '{"bad":"field"}',
      '',
      'not JSON',
      '{"load":{"id":"d"}}',
      '{"save":{"id":"e","type":"T"}}',
      '{"bad":}',
      '{"save":{"id":"f","type":"T"}}',
      '{"bad":"\\u0000"}',
      '{"delete":{"id":"good"}}',
      '{"save":{"id":"g","id":"h","type":"T"}}',
      '{"bad":"twice"}',
    ]);
    expect(bad(records)).toEqual([
      '1 INVALID_COMMAND',
      '3 INVALID_COMMAND',
      '5 INVALID_COMMAND',
      '8 MALFORMED_FRAME',
      '9 INVALID_COMMAND',
      '11 INVALID_DOCUMENT',
      '13 UNSTORABLE',
      '15 INVALID_COMMAND',
    ]);
    expect(ids(records)).toEqual(['good']);
  });

  it('loses no command behind a save without a document', () => {
    const save = '{"save":{"id":"a","type":"T"}}';
    const records = read([save, '{"delete":{"id":"b"}}', save, save, '{}', save]);
    expect(bad(records)).toEqual(['1 INVALID_DOCUMENT', '3 INVALID_DOCUMENT', '6 INVALID_DOCUMENT']);
    expect(ids(records)).toEqual(['b', 'a']);
  });

  it('refuses documents that are too large or not UTF-8', () => {
    const save = '{"save":{"id":"a","type":"T"}}';
    const records = read([
      save,
      `{"x":"${'y'.repeat(1_000)}"}`,
      save,
      `{"x":"${'y'.repeat(3_000)}"}`,
      save,
      Buffer.from('{"x":"\xff"}', 'latin1'),
    ]);
    expect(bad(records)).toEqual(['2 TOO_LARGE', '3 TOO_LARGE', '5 MALFORMED_FRAME']);
  });

  it('is asked for when the first line is a plain document', () => {
    expect(() => read(['{"username":"alice"}'])).toThrow(/line 1 is a plain document/);
  });

  it('names a plain document further down', () => {
    const records = read(['{"delete":{"id":"a"}}', '{"username":"alice"}']);
    expect(bad(records)).toEqual(['2 MALFORMED_FRAME']);
  });
});

describe('plain documents', () => {
  it('get their id from a member, and stay as they are', () => {
    const [save] = read(['{"id":"a","big":12345678901234567890}\r'], { plain: PLAIN, epoch: 4 });
    expect(save).toMatchObject({ kind: 'save', id: 'a', type: 'T', version: undefined, epoch: 4 });
    expect(save?.kind === 'save' && save.document.toString()).toBe('{"id":"a","big":12345678901234567890}\r');
  });

  it('are never commands, whatever they look like', () => {
    const lines = ['{"id":"a"}', '{"delete":{"id":"victim"},"id":"b"}', '{"delete":{"id":"victim"}}'];
    const records = read(lines, { plain: PLAIN });
    expect(records.map(({ kind }) => kind)).toEqual(['save', 'save', 'bad']);
    expect(ids(records)).toEqual(['a', 'b']);
    expect(bad(records)).toEqual(['3 INVALID_COMMAND']);
  });

  it('are refused line by line', () => {
    const records = read(
      ['{"id":"a"}', '[1]', '{"no":"id"}', `{"id":"${'x'.repeat(256)}"}`, '{"id":""}', '{'],
      {
        plain: PLAIN,
      },
    );
    expect(bad(records)).toEqual([
      '2 INVALID_DOCUMENT',
      '3 INVALID_COMMAND',
      '4 INVALID_COMMAND',
      '5 INVALID_COMMAND',
      '6 INVALID_DOCUMENT',
    ]);
  });

  it('that a worker would take for a command are refused', () => {
    const reader = new RecordReader({ plain: PLAIN, epoch: 0, documentBytesMax: 1_000 });
    const bytes = Buffer.from('{"delete":{"id":"a","version":1}}');
    expect(bad(reader.read({ line: 1, element: 1, bytes, byteLength: bytes.length }))).toEqual([
      '1 INVALID_DOCUMENT',
    ]);
  });
});
