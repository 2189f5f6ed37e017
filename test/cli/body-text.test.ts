/** Letters as they are shown: no bytes may keep them from being shown, nor steer the terminal. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { bodyLines } from '../../src/cli/dead-letters/body-text.ts';
import { whoRuns } from '../../src/cli/dead-letters/with-letters.ts';

const MIB = 1_048_576;
const ACTION = '{"save":{"id":"x","type":"T","version":5}}';
const LAID_OUT = ['{', '  "save": {', '    "id": "x",', '    "type": "T",', '    "version": 5', '  }', '}'];
const frame = (document: string): Buffer => Buffer.from(`${ACTION}\n${document}\n`);

it.each([8, 64])('a string of %d MiB is not laid out, and its length is told', (mebibytes) => {
  const document = `{"a":"${'x'.repeat(mebibytes * MIB)}"}`;
  expect(bodyLines(frame(document))).toEqual([
    ...LAID_OUT,
    `(${document.length + 1} more bytes, too many to lay out; --body writes all as they are)`,
  ]);
});

it('a string of almost 1 MiB is laid out, as are many small lines', () => {
  const text = 'x'.repeat(MIB - 100);
  expect(bodyLines(frame(`{"a":"${text}"}`))).toEqual([...LAID_OUT, '{', `  "a": "${text}"`, '}']);
  const flat = `[${'1,'.repeat(200_000)}1]`;
  expect(bodyLines(frame(flat))).toHaveLength(LAID_OUT.length + 200_003);
});

it('any text gives lines without control characters', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const lines = bodyLines(Buffer.from(text));
      expect(lines.length).toBeGreaterThan(0);
      // oxlint-disable-next-line no-control-regex -- these are what must not be there
      for (const line of lines) expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
    }),
  );
});

const nameless = (): string => {
  throw new Error('uv_os_get_passwd returned ENOENT');
};

it('who has a number and no name is told by the number', () => {
  expect(whoRuns(nameless)).toMatch(/^uid \d+@\S+$/);
  expect(whoRuns(() => 'ann')).toMatch(/^ann@\S+$/);
});
