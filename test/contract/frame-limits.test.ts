import { describe, expect, test } from 'vitest';
import { contractError } from './contract-error.ts';
import { decode, LOAD, outcomes, SAVE } from './frames.ts';

const MEBIBYTE = 1_048_576;

function loads(count: number): string {
  return `${LOAD}\n`.repeat(count);
}

/** The lines of a save with a document of so many bytes. */
function saveOf(documentBytes: number): string {
  return `${SAVE}\n{"d":"${'x'.repeat(documentBytes - '{"d":""}'.length)}"}\n`;
}

/** Two saves that fill so many bytes together. */
function twoIn(bytes: number): string {
  return saveOf(500_000) + saveOf(bytes - 500_000 - 2 * (SAVE.length + 2));
}

describe('the limit of a document', () => {
  test('is 1 MiB by default, and what is larger is TOO_LARGE alone', () => {
    expect(outcomes(decode(saveOf(MEBIBYTE)))).toStrictEqual(['save']);
    expect(outcomes(decode(saveOf(MEBIBYTE + 1)))).toStrictEqual(['TOO_LARGE']);
  });

  test('is what the operator chose', () => {
    expect(outcomes(decode(saveOf(100) + saveOf(101) + loads(1), { documentBytesMax: 100 }))).toStrictEqual([
      'save',
      'TOO_LARGE',
      'load',
    ]);
    expect(outcomes(decode(saveOf(2 * MEBIBYTE), { documentBytesMax: 2 * MEBIBYTE }))).toStrictEqual([
      'save',
    ]);
  });

  test('counts bytes, not characters', () => {
    const body = `${SAVE}\n{"d":"${'€'.repeat(40)}"}\n`;
    expect(outcomes(decode(body, { documentBytesMax: 128 }))).toStrictEqual(['save']);
    expect(outcomes(decode(body, { documentBytesMax: 127 }))).toStrictEqual(['TOO_LARGE']);
  });

  test('comes before what else is wrong with the document', () => {
    expect(outcomes(decode(`${SAVE}\n${'['.repeat(200)}\n`, { documentBytesMax: 100 }))).toStrictEqual([
      'TOO_LARGE',
    ]);
  });
});

describe('the limit of a frame in bytes', () => {
  test('is 1 MiB for more than one command', () => {
    expect(twoIn(MEBIBYTE)).toHaveLength(MEBIBYTE);
    expect(outcomes(decode(twoIn(MEBIBYTE)))).toStrictEqual(['save', 'save']);
    expect(() => decode(twoIn(MEBIBYTE + 1))).toThrow(contractError('TOO_LARGE'));
  });

  test('does not hold for one command, which has the limit of its document', () => {
    const text = saveOf(MEBIBYTE);
    expect(text.length).toBeGreaterThan(MEBIBYTE);
    expect(outcomes(decode(text))).toStrictEqual(['save']);
    expect(() => decode(text + loads(1))).toThrow(contractError('TOO_LARGE'));
    expect(() => decode(loads(1) + text)).toThrow(contractError('TOO_LARGE'));
  });

  test('makes a frame of 16 MiB with many commands TOO_LARGE', () => {
    expect(() => decode(saveOf(160_000).repeat(105))).toThrow(contractError('TOO_LARGE'));
    expect(() => decode(saveOf(16 * MEBIBYTE) + loads(1))).toThrow(contractError('TOO_LARGE'));
  });

  test('lets one command of 16 MiB be judged by its document', () => {
    expect(outcomes(decode(saveOf(16 * MEBIBYTE)))).toStrictEqual(['TOO_LARGE']);
    const documentBytesMax = 15 * MEBIBYTE;
    expect(outcomes(decode(saveOf(documentBytesMax), { documentBytesMax }))).toStrictEqual(['save']);
    expect(outcomes(decode(saveOf(documentBytesMax + 1), { documentBytesMax }))).toStrictEqual(['TOO_LARGE']);
  });

  test('lets one identifier of 15 MiB be an invalid command', () => {
    expect(outcomes(decode(`{"load":{"id":"${'i'.repeat(15 * MEBIBYTE)}"}}\n`))).toStrictEqual([
      'INVALID_COMMAND',
    ]);
  });
});

describe('the limit of a frame in commands', () => {
  test('is 1,000, with or without the final newline', () => {
    expect(decode(loads(1_000))).toHaveLength(1_000);
    expect(decode(loads(1_000).trimEnd())).toHaveLength(1_000);
    expect(() => decode(loads(1_001))).toThrow(contractError('TOO_LARGE'));
    expect(() => decode(loads(1_001).trimEnd())).toThrow(contractError('TOO_LARGE'));
  });

  test('counts commands, not lines, and invalid commands too', () => {
    expect(decode(saveOf(10).repeat(1_000))).toHaveLength(1_000);
    expect(() => decode('{"load":{}}\n'.repeat(1_001))).toThrow(contractError('TOO_LARGE'));
  });
});
