/**
 * The direction of imports and the few rules of the tree, read from the files themselves. Lint holds most of them as well;
 * this also follows what is imported by what is imported.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SRC = join(ROOT, 'src');

interface Import {
  /** `src/...` for a file of ours, else the module's name. */
  readonly target: string;
  /** Erased by the compiler. */
  readonly typeOnly: boolean;
}

interface SourceFile {
  readonly path: string;
  /** The folder below src; empty for the entry itself. */
  readonly folder: string;
  readonly text: string;
  readonly imports: readonly Import[];
}

const IMPORT = /^(?:import|export)\s+(type\s)?(?:([^'"]*?)\sfrom\s+)?['"]([^'"]+)['"]/gm;
const DYNAMIC_IMPORT = /\bimport\(\s*['"]([^'"]+)['"]\s*\)/g;

function readSource(path: string): SourceFile {
  const text = readFileSync(path, 'utf8');
  const resolve = (specifier: string): string =>
    specifier.startsWith('.')
      ? relative(ROOT, join(dirname(path), specifier))
          .split(sep)
          .join('/')
      : specifier;
  const imports = [...text.matchAll(IMPORT)].map(([, type, names = '', specifier = '']): Import => {
    const members = /^\{(.*)\}$/s
      .exec(names.trim())?.[1]
      ?.split(',')
      .filter((name) => name.trim() !== '');
    const typeOnly =
      type !== undefined ||
      (members !== undefined && members.every((name) => name.trim().startsWith('type ')));
    return { target: resolve(specifier), typeOnly };
  });
  const dynamic = [...text.matchAll(DYNAMIC_IMPORT)].map(
    ([, specifier = '']): Import => ({
      target: resolve(specifier),
      typeOnly: false,
    }),
  );
  const inSrc = relative(SRC, path).split(sep);
  return {
    path: `src/${inSrc.join('/')}`,
    folder: inSrc.length > 1 ? (inSrc[0] ?? '') : '',
    text,
    imports: [...imports, ...dynamic],
  };
}

const FILES = readdirSync(SRC, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
  .map((entry) => readSource(join(entry.parentPath, entry.name)));
const BY_PATH = new Map(FILES.map((file) => [file.path, file]));

const folderOf = (target: string): string => BY_PATH.get(target)?.folder ?? '';
const isOurs = (target: string): boolean => target.startsWith('src/');
const isPackage = (target: string): boolean => !isOurs(target) && !target.startsWith('node:');
const packageOf = (target: string): string => /^(?:@[^/]+\/)?[^/]+/.exec(target)?.[0] ?? target;

/** What each folder may import besides itself. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  contract: [],
  broker: ['contract'],
  store: ['contract'],
  telemetry: ['contract'],
  config: ['contract'],
  worker: ['contract', 'broker', 'store', 'telemetry', 'config'],
  'dead-letters': ['contract', 'broker', 'store', 'telemetry', 'config'],
  client: ['contract', 'broker', 'store', 'telemetry', 'config'],
  object: ['contract', 'broker', 'store', 'telemetry', 'config', 'client', 'worker', 'dead-letters'],
  cli: ['contract', 'broker', 'store', 'telemetry', 'config', 'client', 'worker', 'dead-letters', 'object'],
};

/** Files that break a rule, each with what breaks it. */
const breaking = (offences: (file: SourceFile) => readonly string[]): string[] =>
  FILES.flatMap((file) => offences(file).map((offence) => `${file.path}: ${offence}`));

/** All files that are loaded with these. */
function loadedWith(paths: readonly string[]): Set<string> {
  const loaded = new Set<string>();
  const waiting = [...paths];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (loaded.has(path)) continue;
    loaded.add(path);
    for (const { target, typeOnly } of BY_PATH.get(path)?.imports ?? []) {
      if (!typeOnly) waiting.push(target);
    }
  }
  return loaded;
}

/** The code without its comments. */
const codeOf = ({ text }: SourceFile): string => text.replaceAll(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm, '');

describe('the folders', () => {
  it('are the ones of the design', () => {
    const folders = new Set(FILES.map(({ folder }) => folder).filter((folder) => folder !== ''));
    expect([...folders].filter((folder) => MAY_IMPORT[folder] === undefined)).toEqual([]);
    expect(FILES.length).toBeGreaterThan(50);
  });

  it('import in one direction: contract <- broker | store | telemetry | config <- worker | dead-letters | client <- object <- cli', () => {
    expect(
      breaking(({ folder, imports }) =>
        imports
          .map(({ target }) => target)
          .filter(isOurs)
          .filter((target) => folder !== '' && folderOf(target) !== folder)
          .filter((target) => !(MAY_IMPORT[folder] ?? []).includes(folderOf(target))),
      ),
    ).toEqual([]);
  });

  it('import files that exist', () => {
    expect(
      breaking(({ imports }) =>
        imports
          .map(({ target }) => target)
          .filter((target) => isOurs(target) && target.endsWith('.ts') && !BY_PATH.has(target)),
      ),
    ).toEqual([]);
  });
});

describe('only', () => {
  it.each([
    ['broker', ['amqplib']],
    ['store', ['pg', 'pg-copy-streams']],
  ])('%s imports %j', (folder, packages) => {
    expect(
      breaking((file) =>
        file.folder === folder
          ? []
          : file.imports.map(({ target }) => packageOf(target)).filter((name) => packages.includes(name)),
      ),
    ).toEqual([]);
  });

  it('zod and node:buffer are imported by contract', () => {
    expect(
      breaking(({ folder, imports }) =>
        folder !== 'contract'
          ? []
          : imports
              .map(({ target }) => target)
              .filter((target) => !isOurs(target) && target !== 'zod' && target !== 'node:buffer'),
      ),
    ).toEqual([]);
  });

  it.each([
    ['config', 'reads process.env', /\bprocess\.env\b|\bprocess\[/],
    ['cli', 'ends the process', /\bprocess\.(?:exit|exitCode|abort|kill)\b/],
    ['cli', 'listens to signals', /\bprocess\.(?:on|once|addListener)\(/],
  ])('%s %s', (folder, _what, pattern) => {
    expect(
      breaking((file) => (file.folder !== folder && pattern.test(codeOf(file)) ? [String(pattern)] : [])),
    ).toEqual([]);
  });
});

describe('an object node', () => {
  it('loads neither the store nor pg, however deep', () => {
    const entries = FILES.filter(({ path, folder }) => folder === 'client' || path === 'src/index.ts').map(
      ({ path }) => path,
    );
    const loaded = [...loadedWith(entries)];
    expect(loaded.filter((target) => target.startsWith('src/store/'))).toEqual([]);
    expect(loaded.filter((target) => isPackage(target) && /^pg(?:-|$)/.test(packageOf(target)))).toEqual([]);
  });
});

describe('every file', () => {
  it('is named for what it is about, not for being left over', () => {
    expect(
      FILES.map(({ path }) => path).filter((path) =>
        /\/(?:utils?|helpers?|common|types|interfaces|constants|misc|shared)(?:\/|\.ts$)/.test(path),
      ),
    ).toEqual([]);
  });

  it('begins by saying what it is for', () => {
    expect(
      FILES.filter(({ text }) => !/^(?:#!.*\n)?(?:\/\*\*|\/\/ )/.test(text)).map(({ path }) => path),
    ).toEqual([]);
  });
});
