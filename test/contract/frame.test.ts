import { describe, expect, test } from 'vitest';
import { decodeFrame } from '../../src/contract/frame.ts';
import { contractError } from './contract-error.ts';
import { CLAIM, DELETE, decode, documentOf, frame, LIST, LOAD, outcomes, SAVE } from './frames.ts';

/** The longest identifier there is, as escapes. */
const LONGEST = '\\ud83d\\ude00'.repeat(255);

describe('a frame', () => {
  test('is read as the example of the contract says', () => {
    const document = '{"username":"alice","email":"alice@example.com","score":100}';
    const body = frame(
      '{"save":{"id":"user-123","type":"UserProfile","version":1763894400000001}}',
      document,
      '{"delete":{"id":"ChatRoom-General","version":1763894400000002}}',
      '{"load":{"id":"user-123"}}',
    );
    const entries = decode(body);
    expect(entries.map(({ command }) => command)).toMatchObject([
      { action: 'save', id: 'user-123', type: 'UserProfile', version: 1763894400000001, epoch: 0 },
      { action: 'delete', id: 'ChatRoom-General', version: 1763894400000002, epoch: 0 },
      { action: 'load', id: 'user-123', document: true },
    ]);
    expect(entries.map((entry) => documentOf(body, entry))).toStrictEqual([document, '', '']);
  });

  test('may lack its final newline', () => {
    expect(outcomes(decode(Buffer.from(LOAD)))).toStrictEqual(['load']);
    const body = Buffer.from(`${DELETE}\n${SAVE}\n{"a":1}`);
    const entries = decode(body);
    expect(outcomes(entries)).toStrictEqual(['delete', 'save']);
    expect(documentOf(body, entries[1])).toBe('{"a":1}');
    expect(entries[1]?.end).toBe(body.length);
  });

  test('may end its lines with CR LF; the CR of a document is kept', () => {
    const body = Buffer.from(`${SAVE}\r\n{"a":1}\r\n${LOAD}\r\n`);
    const entries = decode(body);
    expect(outcomes(entries)).toStrictEqual(['save', 'load']);
    expect(documentOf(body, entries[0])).toBe('{"a":1}\r');
  });

  test.each([
    undefined,
    null,
    '',
    'holdfast.commands.v2',
    'HOLDFAST.COMMANDS.V1',
    'holdfast.replies.v1',
    1,
    {},
  ])('of the type %j is UNSUPPORTED_VERSION, whatever is in it', (type) => {
    for (const body of [frame(LOAD), Buffer.alloc(0), Buffer.from([0xff])]) {
      expect(() => decodeFrame(type, body, { place: 'partition' })).toThrow(
        contractError('UNSUPPORTED_VERSION'),
      );
    }
  });

  test.each([
    ['empty', ''],
    ['an empty line', '\n'],
    ['a line of whitespace', ' \r\n'],
    ['a command and an empty line', `${LOAD}\n\n`],
    ['a save at the end without its document', `${SAVE}\n`],
    ['a save at the end without its document or newline', SAVE],
    ['an invalid save at the end without its document', '{"save":{"id":"s"}}\n'],
    ['a document without an action', '{"a":1}\n'],
    ['a delete with a document', `${DELETE}\n{"a":1}\n`],
    ['a command with an unknown action after a good one', `${LOAD}\n{"put":{"id":"a"}}\n`],
    ['a command with two actions', '{"load":{"id":"l"},"delete":{"id":"d","version":1}}\n'],
    ['a broken action line after a good one', `${LOAD}\n{"load":{"id":"l"}\n`],
    ['a save whose document has a newline in it', `${SAVE}\n{"a":\n1}\n`],
    ['a frame with a byte order mark', `\ufeff${LOAD}\n`],
  ])('that is %s is MALFORMED_FRAME', (_, text) => {
    expect(() => decode(Buffer.from(text))).toThrow(contractError('MALFORMED_FRAME'));
  });

  test.each([
    ['a byte that is none', [0xff]],
    ['a character cut short', [0xe2, 0x82]],
    ['an overlong slash', [0xc0, 0xaf]],
    ['an encoded surrogate', [0xed, 0xa0, 0x80]],
    ['a code point above the last', [0xf4, 0x90, 0x80, 0x80]],
  ])('that is not UTF-8, by %s in a document, is MALFORMED_FRAME', (_, bytes) => {
    const body = Buffer.concat([Buffer.from(`${SAVE}\n{"a":"`), Buffer.from(bytes), Buffer.from('"}\n')]);
    expect(() => decode(body)).toThrow(contractError('MALFORMED_FRAME'));
  });
});

describe('a command that is invalid', () => {
  test.each([
    ['an invalid field', '{"delete":{"id":"d","version":0}}', 'INVALID_COMMAND'],
    ['an unknown field', '{"load":{"id":"l","ttl":5}}', 'INVALID_COMMAND'],
    ['a field given twice', '{"load":{"id":"l","id":"l"}}', 'INVALID_COMMAND'],
    ['an invalid save', '{"save":{"id":"s","type":"T"}}\n{"a":1}', 'INVALID_COMMAND'],
    ['an invalid save with a broken document', '{"save":{"id":"s","type":"T"}}\n{"a"', 'INVALID_COMMAND'],
    ['a document that is no JSON', `${SAVE}\n{"a":}`, 'INVALID_DOCUMENT'],
    ['a document that is no object', `${SAVE}\n[1]`, 'INVALID_DOCUMENT'],
    ['an empty document', `${SAVE}\n`, 'INVALID_DOCUMENT'],
    ['an unstorable document', `${SAVE}\n{"a":"\\u0000"}`, 'UNSTORABLE'],
    ['a document that is too large', `${SAVE}\n{"a":"${'x'.repeat(1_000)}"}`, 'TOO_LARGE'],
  ])('by %s is rejected alone, and its neighbours go on', (_, lines, code) => {
    const body = frame(DELETE, lines, SAVE, '{"b":2}');
    const entries = decode(body, { documentBytesMax: 1_000 });
    expect(outcomes(entries)).toStrictEqual(['delete', code, 'save']);
    const rejected = entries[1];
    expect(body.toString('utf8', rejected?.start, rejected?.end)).toBe(`${lines}\n`);
    expect(documentOf(body, entries[2])).toBe('{"b":2}');
  });

  test('by its document keeps its id, type and version for the dead letter', () => {
    expect(decode(frame(SAVE, '[]'))[0]?.rejected).toMatchObject({
      action: 'save',
      id: 's',
      type: 'T',
      version: 1,
    });
  });
});

describe('a save without its document in the middle', () => {
  test.each([
    ['delete', DELETE],
    ['load', LOAD],
    ['load with a claim', CLAIM],
    ['delete spelt with an escape', '{"\\u0064elete":{"id":"d","version":2}}'],
    ['delete of the longest id', `{"delete":{"id":"${LONGEST}","version":9007199254740991}}`],
    ['save of the longest id and type', `{"save":{"id":"${LONGEST}","type":"${LONGEST}","version":1}}`],
  ])('is INVALID_DOCUMENT and not the %s after it as a document', (_, next) => {
    const body = frame(SAVE, next, LOAD);
    const entries = decode(body);
    expect(outcomes(entries)).toStrictEqual(['INVALID_DOCUMENT', 'load']);
    expect(documentOf(body, entries[0])).toBe(next);
  });

  test('is a malformed frame if another save comes next, since its document is then no action', () => {
    expect(() => decode(frame(SAVE, SAVE, '{"a":1}'))).toThrow(contractError('MALFORMED_FRAME'));
  });

  test('is not suspected where a document only resembles a command', () => {
    for (const document of [
      '{"save":1}',
      '{"load":{"id":""}}',
      '{"delete":{"id":"d","version":2},"a":1}',
      '{"load":{}}',
    ]) {
      expect(outcomes(decode(frame(SAVE, document)))).toStrictEqual(['save']);
    }
  });
});

describe('the place of a frame', () => {
  test.each([LIST, '{"list":{}}', '{"list":null}'])(
    'in a partition makes a list MALFORMED_FRAME: %s',
    (list) => {
      expect(() => decode(frame(list))).toThrow(contractError('MALFORMED_FRAME'));
      expect(() => decode(frame(LOAD, list))).toThrow(contractError('MALFORMED_FRAME'));
    },
  );

  test('among the loads allows a list that is alone', () => {
    expect(outcomes(decode(frame(LIST), { place: 'loads' }))).toStrictEqual(['list']);
    expect(outcomes(decode(frame('{"list":{"limit":0}}'), { place: 'loads' }))).toStrictEqual([
      'INVALID_COMMAND',
    ]);
  });

  test.each([
    ['a load after it', [LIST, LOAD]],
    ['a load before it', [LOAD, LIST]],
    ['a second list', [LIST, LIST]],
    ['an invalid list', [LOAD, '{"list":{}}']],
  ])('among the loads makes a list with %s MALFORMED_FRAME', (_, lines) => {
    expect(() => decode(frame(...lines), { place: 'loads' })).toThrow(contractError('MALFORMED_FRAME'));
  });

  test('among the loads makes writes and claims INVALID_COMMAND, and loads go on', () => {
    const body = frame(LOAD, SAVE, '{"a":1}', DELETE, CLAIM, LOAD);
    const entries = decode(body, { place: 'loads' });
    const refused = 'INVALID_COMMAND';
    expect(outcomes(entries)).toStrictEqual(['load', refused, refused, refused, 'load']);
    expect(entries.map((entry) => entry.rejected?.id)).toStrictEqual([undefined, 's', 'd', 'c', undefined]);
    expect(entries.map((entry) => entry.rejected?.version)).toStrictEqual([
      undefined,
      1,
      2,
      undefined,
      undefined,
    ]);
    expect(documentOf(body, entries[1])).toBe('{"a":1}');
  });
});

test('a short document at the very end of a frame is read, whatever its first member', () => {
  for (const document of ['{"a":""}', '{"s":1}', '{"d":1}', '{"":0}', '{"\\u0073":1}']) {
    const line = '{"save":{"id":"a","type":"T","version":1}}';
    for (const end of ['', '\n']) {
      expect(decode(Buffer.from(`${line}\n${document}${end}`))).toMatchObject([{ command: { id: 'a' } }]);
    }
  }
});
