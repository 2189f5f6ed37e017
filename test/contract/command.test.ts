import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type ActionLine, readActionLine } from '../../src/contract/command.ts';
import { ContractError } from '../../src/contract/errors.ts';
import { contractError } from './contract-error.ts';

const CLAIM = '0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b';
const MAX = Number.MAX_SAFE_INTEGER;

/** The smallest valid fields of each action, as JSON text by name. */
const REQUIRED: Record<string, Record<string, string>> = {
  save: { id: '"a"', type: '"T"', version: '1' },
  delete: { id: '"a"', version: '1' },
  load: { id: '"a"' },
  list: { type: '"T"' },
};
const ACTIONS = Object.keys(REQUIRED);

/** Every field of the contract with a valid value, and the actions that may have it. */
const FIELDS: [name: string, value: string, actions: string[]][] = [
  ['id', '"b"', ['save', 'delete', 'load']],
  ['type', '"U"', ['save', 'list']],
  ['version', '7', ['save', 'delete']],
  ['epoch', '7', ['save', 'delete']],
  ['ifVersion', '7', ['save', 'delete']],
  ['nextRcseq', '7', ['save']],
  ['claim', `"${CLAIM}"`, ['load']],
  ['document', 'false', ['load']],
  ['deadline', '1763894400000', ['load', 'list']],
  ['after', '"b"', ['list']],
  ['limit', '7', ['list']],
  ['documents', 'true', ['list']],
];

function actionLine(action: string, fields: Record<string, string>): string {
  const members = Object.entries(fields).map(([name, value]) => `${JSON.stringify(name)}:${value}`);
  return `{"${action}":{${members.join(',')}}}`;
}

function read(action: string, extra: Record<string, string> = {}): ActionLine {
  return readActionLine(actionLine(action, { ...REQUIRED[action], ...extra }));
}

/** The code of the refusal of a well-framed command; `fine` if there is none. */
function verdict(line: ActionLine): string {
  return line.valid ? 'fine' : line.error.code;
}

describe('the fields of a command', () => {
  test('left out get their defaults', () => {
    expect(read('save')).toStrictEqual({
      valid: true,
      command: {
        action: 'save',
        id: 'a',
        type: 'T',
        version: 1,
        epoch: 0,
        ifVersion: undefined,
        nextRcseq: undefined,
      },
    });
    expect(read('delete')).toStrictEqual({
      valid: true,
      command: { action: 'delete', id: 'a', version: 1, epoch: 0, ifVersion: undefined },
    });
    expect(read('load')).toStrictEqual({
      valid: true,
      command: { action: 'load', id: 'a', claim: undefined, epoch: 0, document: true, deadline: undefined },
    });
    expect(read('list')).toStrictEqual({
      valid: true,
      command: {
        action: 'list',
        type: 'T',
        after: undefined,
        limit: 100,
        documents: false,
        deadline: undefined,
      },
    });
  });

  test.each(ACTIONS.flatMap((action) => FIELDS.map((field) => [action, ...field] as const)))(
    'of %s: %s is allowed exactly where the table of the contract says so',
    (action, name, value, actions) => {
      const line = read(action, { [name]: value });
      if (!actions.includes(action)) expect(verdict(line)).toBe('INVALID_COMMAND');
      else expect(line).toMatchObject({ valid: true, command: { [name]: JSON.parse(value) as unknown } });
    },
  );

  test.each(
    Object.entries(REQUIRED).flatMap(([action, fields]) => Object.keys(fields).map((name) => [action, name])),
  )('of %s must have %s', (action, name) => {
    const fields = Object.entries(REQUIRED[action] ?? {}).filter(([other]) => other !== name);
    expect(verdict(readActionLine(actionLine(action, Object.fromEntries(fields))))).toBe('INVALID_COMMAND');
  });

  test.each(
    ACTIONS.flatMap((action) =>
      ['[]', '[{"id":"a"}]', 'null', '1', '"a"', 'true'].map((fields) => [action, fields]),
    ),
  )('of %s must be an object, not %s', (action, fields) => {
    expect(verdict(readActionLine(`{"${action}":${fields}}`))).toBe('INVALID_COMMAND');
  });

  test('may stand in any order, with any whitespace of JSON and with escaped names', () => {
    const text = ' {\t"delete" : {"\\u0076ersion":2.0e0 ,\r"id": "\\u0061"} }\r';
    expect(readActionLine(text)).toMatchObject({
      valid: true,
      command: { action: 'delete', id: 'a', version: 2 },
    });
  });

  test('may hold what looks like the syntax around them', () => {
    const id = '"}:{\\",\\":\\\\":"id":"';
    expect(read('load', { id: JSON.stringify(id) })).toMatchObject({ valid: true, command: { id } });
  });
});

describe('the values of a command', () => {
  const limits: [name: string, least: number, most: number, actions: string[]][] = [
    ['version', 1, MAX, ['save', 'delete']],
    ['epoch', 0, MAX, ['save', 'delete']],
    ['ifVersion', 0, MAX, ['save', 'delete']],
    ['nextRcseq', 0, MAX, ['save']],
    ['deadline', 0, MAX, ['load', 'list']],
    ['limit', 1, 10_000, ['list']],
  ];
  const cases = limits.flatMap(([name, least, most, actions]) =>
    actions.map((action) => [action, name, least, most] as const),
  );

  test.each(cases)('of %s: %s is an integer from %d to %d', (action, name, least, most) => {
    for (const fine of [least, least + 1, most - 1, most]) {
      expect(read(action, { [name]: `${fine}` })).toMatchObject({ valid: true, command: { [name]: fine } });
    }
    const beyond = most === MAX ? ['9007199254740992', '9007199254740993', '1e16', '1e999'] : [`${most + 1}`];
    for (const bad of [`${least - 1}`, '-9007199254740993', '1.5', '"1"', 'null', 'true', '[1]', ...beyond]) {
      expect([bad, verdict(read(action, { [name]: bad }))]).toStrictEqual([bad, 'INVALID_COMMAND']);
    }
  });

  test.each([
    ['save', 'id'],
    ['save', 'type'],
    ['delete', 'id'],
    ['load', 'id'],
    ['list', 'type'],
    ['list', 'after'],
  ])('of %s: %s has 1 to 255 characters, is well-formed and without U+0000', (action, name) => {
    for (const fine of ['a', 'a'.repeat(255), '😀'.repeat(255), '__proto__', '\u0001']) {
      expect(read(action, { [name]: JSON.stringify(fine) })).toMatchObject({
        valid: true,
        command: { [name]: fine },
      });
    }
    const texts = ['', 'a'.repeat(256), '😀'.repeat(256), 'a\0', '\ud83d', '\ude00\ud83d'].map((text) =>
      JSON.stringify(text),
    );
    for (const bad of [...texts, '1', 'null', '["a"]']) {
      expect([bad, verdict(read(action, { [name]: bad }))]).toStrictEqual([bad, 'INVALID_COMMAND']);
    }
  });

  test.each([
    ['load', 'document'],
    ['list', 'documents'],
  ])('of %s: %s is true or false', (action, name) => {
    for (const fine of [true, false]) {
      expect(read(action, { [name]: `${fine}` })).toMatchObject({ valid: true, command: { [name]: fine } });
    }
    for (const bad of ['0', '1', '"false"', 'null', '{}']) {
      expect([bad, verdict(read(action, { [name]: bad }))]).toStrictEqual([bad, 'INVALID_COMMAND']);
    }
  });
});

describe('a claim', () => {
  test('is a UUID of any version, and is read in lower case', () => {
    for (const uuid of [
      CLAIM,
      CLAIM.toUpperCase(),
      '00000000-0000-0000-0000-000000000000',
      'ffffffff-ffff-ffff-ffff-ffffffffffff',
      'deadbeef-dead-beef-dead-beefdeadbeef',
    ]) {
      expect(read('load', { claim: `"${uuid}"` })).toMatchObject({
        valid: true,
        command: { claim: uuid.toLowerCase() },
      });
    }
  });

  test.each([
    '',
    'a',
    CLAIM.replaceAll('-', ''),
    `{${CLAIM}}`,
    `urn:uuid:${CLAIM}`,
    `${CLAIM} `,
    CLAIM.replace('0', 'g'),
  ])('is not %j', (claim) => {
    expect(verdict(read('load', { claim: JSON.stringify(claim) }))).toBe('INVALID_COMMAND');
  });

  test.each(['1', 'null', 'true', '{}'])('is not %s', (claim) => {
    expect(verdict(read('load', { claim }))).toBe('INVALID_COMMAND');
  });

  test.each([0, 1, MAX])('may propose the epoch %d', (epoch) => {
    const line = read('load', { claim: `"${CLAIM}"`, epoch: `${epoch}` });
    expect(line).toMatchObject({ valid: true, command: { claim: CLAIM, epoch } });
  });

  test.each(['-1', '1.5', '9007199254740992', '"1"', 'null'])('cannot propose the epoch %s', (epoch) => {
    expect(verdict(read('load', { claim: `"${CLAIM}"`, epoch }))).toBe('INVALID_COMMAND');
  });

  test.each(['0', '1'])('must be there for the epoch %s of a load', (epoch) => {
    expect(verdict(read('load', { epoch }))).toBe('INVALID_COMMAND');
    expect(verdict(read('load', { epoch, 'x-claim': `"${CLAIM}"` }))).toBe('INVALID_COMMAND');
  });
});

describe('an unknown field', () => {
  const known = new Set(FIELDS.map(([name]) => name));
  const actions = fc.constantFrom(...ACTIONS);

  test('makes the command INVALID_COMMAND, so that a typo never passes for a plain command', () => {
    const names = fc.oneof(
      fc.constantFrom('ifversion', 'if_version', 'Id', 'ID', 'x', 'X-a', ' x-a', '_x-a', 'ttl'),
      fc.constantFrom('', '__proto__', 'constructor', 'toString', 'valueOf', '__defineGetter__', '0'),
      fc.string({ unit: 'binary' }).filter((name) => !known.has(name) && !name.startsWith('x-')),
    );
    fc.assert(
      fc.property(actions, names, fc.json(), fc.boolean(), (action, name, value, alsoIgnored) => {
        const ignored = alsoIgnored ? { 'x-a': '{"b":1}' } : {};
        expect(verdict(read(action, { ...ignored, [name]: value }))).toBe('INVALID_COMMAND');
      }),
    );
  });

  test.each(ACTIONS)('named __proto__ is refused too in a %s, and sets nothing', (action) => {
    const fields = actionLine(action, REQUIRED[action] ?? {}).slice(0, -2);
    expect(verdict(readActionLine(`${fields},"__proto__":{"id":"b"}}}`))).toBe('INVALID_COMMAND');
    expect(verdict(readActionLine(`${fields},"__proto__":1,"x-a":{"b":1}}}`))).toBe('INVALID_COMMAND');
    expect(verdict(readActionLine(`{"${action}":{"__proto__":{"id":"a","type":"T","version":1}}}`))).toBe(
      'INVALID_COMMAND',
    );
  });

  test('is ignored if it begins with x-, whatever its value', () => {
    const values = fc.oneof(
      fc.json(),
      fc.constantFrom('{"id":"b","id":"c"}', '[{"save":{}},{"x-a":1}]', '"\\u0000\\ud800"'),
    );
    const names = fc.string({ unit: 'binary' }).map((rest) => `x-${rest}`);
    const extras = fc.array(fc.tuple(names, values), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(actions, extras, fc.boolean(), (action, extra, first) => {
        const own = REQUIRED[action] ?? {};
        const others = Object.fromEntries(extra);
        const text = actionLine(action, first ? { ...others, ...own } : { ...own, ...others });
        expect(readActionLine(text)).toStrictEqual(read(action));
      }),
    );
  });
});

describe('what is given twice', () => {
  test('makes the command INVALID_COMMAND if it is a field, even with the same value', () => {
    const fields = FIELDS.flatMap(([name, value, actions]) =>
      actions.map((action) => ({ action, name, value })),
    );
    const spellings = fc.constantFrom(
      (name: string) => name,
      (name: string) => `\\u${name.charCodeAt(0).toString(16).padStart(4, '0')}${name.slice(1)}`,
    );
    const gaps = fc.constantFrom('', ' ', '\t\r ');
    const noise = fc.constantFrom('', ',"x-a":{"id":1,"a:":[]}', ',"x-b":"\\":{"');
    fc.assert(
      fc.property(
        fc.constantFrom(...fields),
        spellings,
        gaps,
        noise,
        ({ action, name, value }, spell, gap, more) => {
          const own = actionLine(action, { ...REQUIRED[action], [name]: value }).slice(0, -2);
          expect(verdict(readActionLine(`${own}${more}}}`))).toBe('fine');
          const twice = `${own}${more},${gap}"${spell(name)}"${gap}:${gap}${value}${gap}}}`;
          expect([twice, verdict(readActionLine(twice))]).toStrictEqual([twice, 'INVALID_COMMAND']);
        },
      ),
      { numRuns: 300 },
    );
  });

  test.each([
    '{"load":{"id":"a"},"load":{"id":"a"}}',
    '{"load":{"id":"a"},"l\\u006fad":{"id":"a"}}',
    '{"load":1,"load":{"id":"a"}}',
    '{"load":{"id":"a"},"load":1}',
    '{"load":{"id":"a"} , "load" :{"id":"b"}}',
    '{"load":{"id":"a"},"delete":{"id":"a","version":1}}',
    '{"load":{"id":"a"},"x-a":1}',
    '{"load":{"id":"a"},"__proto__":1}',
  ])('or is a second action breaks the framing: %s', (text) => {
    expect(() => readActionLine(text)).toThrow(contractError('MALFORMED_FRAME'));
  });
});

describe('an action line', () => {
  test.each([
    '',
    ' ',
    '{',
    '{}',
    '[]',
    '[{"load":{"id":"a"}}]',
    'null',
    '1',
    '"load"',
    '{"load":{"id":"a"}} x',
    '\ufeff{"load":{"id":"a"}}',
  ])('that is not one action breaks the framing: %j', (text) => {
    expect(() => readActionLine(text)).toThrow(contractError('MALFORMED_FRAME'));
  });

  test.each(['Save', 'index', 'update', '', 'x-save', '__proto__', 'constructor', 'toString', '0', '\ud83d'])(
    'with the unknown action %j breaks the framing',
    (action) => {
      expect(() => readActionLine(`{${JSON.stringify(action)}:{"id":"a"}}`)).toThrow(
        contractError('MALFORMED_FRAME'),
      );
    },
  );

  test('that is invalid tells what could be read, for the dead letter', () => {
    expect(read('save', { epoch: '-1' })).toMatchObject({ action: 'save', id: 'a', type: 'T', version: 1 });
    expect(read('save', { id: '"a\\u0000"', type: '7', version: '1.5' })).toMatchObject({
      valid: false,
      action: 'save',
      id: undefined,
      type: undefined,
      version: undefined,
    });
    expect(readActionLine('{"delete":null}')).toMatchObject({
      action: 'delete',
      id: undefined,
      version: undefined,
    });
  });

  test('that is invalid says why in a few words, however long the line is', () => {
    const long = 'k'.repeat(100_000);
    const line = read('load', { [long]: '1', id: '7', document: '7', deadline: '-1' });
    expect(line).toMatchObject({ valid: false, error: { message: expect.stringContaining('id') as string } });
    if (!line.valid) expect(line.error.message.length).toBeLessThanOrEqual(1_000);
  });

  test('of any text is read or breaks the framing, and nothing else is thrown', () => {
    const names = fc.oneof(fc.constantFrom(...ACTIONS, ...FIELDS.map(([name]) => name), 'x-a'), fc.string());
    const nearly = fc
      .tuple(names, fc.array(fc.tuple(names, fc.json()), { maxLength: 5 }))
      .map(([action, fields]) => actionLine(action.replace(/["\\]/gu, ''), Object.fromEntries(fields)));
    fc.assert(
      fc.property(fc.oneof(nearly, fc.json(), fc.string({ unit: 'binary' })), (text) => {
        try {
          expect(['fine', 'INVALID_COMMAND']).toContain(verdict(readActionLine(text)));
        } catch (error) {
          if (!(error instanceof ContractError)) throw error;
          expect(error.code).toBe('MALFORMED_FRAME');
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
