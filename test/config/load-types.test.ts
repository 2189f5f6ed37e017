/** The module of schemas. Goal: it is found where its name was given, and whatever is wrong with it is one line at start. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { loadTypes } from '../../src/config/load-types.ts';
import { readConfig } from '../../src/config/read-config.ts';

const folder = mkdtempSync(join(tmpdir(), 'holdfast-types-'));
afterAll(() => rmSync(folder, { recursive: true }));

function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const SCHEMA = '{ safeParse: () => ({ success: true }) }';

describe('the module of schemas', () => {
  it('exports them by default or by name, as ES module or as CommonJS', async () => {
    const modules = [
      write('default.mjs', `export default { 'Chat Room': ${SCHEMA} }; export const helper = 7;`),
      write('named.mjs', `export const User = ${SCHEMA};`),
      write('common.cjs', `module.exports = { User: ${SCHEMA} };`),
    ];
    const types = await Promise.all(modules.map(async (path) => [...(await loadTypes(path)).keys()]));
    expect(types).toEqual([['Chat Room'], ['User'], ['User']]);
  });

  it('is none where none is named', async () => {
    expect((await loadTypes(undefined)).size).toBe(0);
  });

  it.each([
    ['does not exist', 'nowhere.mjs', undefined],
    ['no schemas', 'empty.mjs', 'export {};'],
    ['"User" is not a Zod schema', 'other.mjs', 'export const User = {};'],
    ['cannot be loaded: ', 'broken.mjs', 'export const = 7;'],
    ['cannot be loaded: Error: of its own', 'throwing.mjs', 'throw new Error("of its own");'],
    ['Cannot find', 'lacking.mjs', 'import "./what-is-not-there.mjs";'],
  ])('is a fault of the configuration: %s', async (message, name, text) => {
    if (text !== undefined) write(name, text);
    const loading = loadTypes(join(folder, name));
    await expect(loading).rejects.toMatchObject({ code: 'CONFIG_INVALID', scope: 'process' });
    await expect(loading).rejects.toThrow(message);
    await expect(loading).rejects.toThrow(name);
    await expect(loading).rejects.not.toThrow('\n');
  });
});

const given = (input: Parameters<typeof readConfig>[0]) => readConfig({ env: {}, ...input }).types;

describe('its name', () => {
  it('is relative to the configuration file that gives it', () => {
    const configFile = write('holdfast.yaml', 'types: ./my-types.js\n');
    expect(given({ configFile })).toBe(join(folder, 'my-types.js'));
  });

  it('is otherwise left to the working directory', () => {
    const configFile = write('holdfast.yaml', 'types: ./my-types.js\n');
    expect(given({ env: { HOLDFAST_TYPES: './a.js' }, configFile })).toBe('./a.js');
    expect(given({ flags: { types: 'b.js' }, configFile })).toBe('b.js');
  });
});
