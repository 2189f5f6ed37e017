// Runs before anything else, on a bare checkout too, so it must do without any dependency: makes sure that Node is
// new enough, that the dependencies are those of the lock file, and that what was built is built from these sources.
// With nothing to do it takes a fraction of a second and says nothing.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const NODE_NEEDED = [20, 19];
const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const stampFile = join(root, 'build/.prepared.json');

checkNode();
if (!dependenciesAreInstalled()) {
  run('installing dependencies (npm ci)', 'npm', ['ci']);
}

// The tools import the package by its own name, that is, from dist: the library comes first.
const library = {
  output: 'dist',
  sources: fingerprintOfContents([
    'src',
    'package.json',
    'package-lock.json',
    'tsconfig.json',
    'tsconfig.build.json',
  ]),
  build: () => run('building the library', 'npm', ['run', '--silent', 'build']),
};
const tools = {
  output: 'build',
  sources: fingerprintOfContents(
    ['test/servers', 'test/chaos', 'bench', 'examples', 'tsconfig.tools.json'],
    library.sources,
  ),
  build: () =>
    run('building the tools', process.execPath, [
      'node_modules/typescript/bin/tsc',
      '-p',
      'tsconfig.tools.json',
    ]),
};
const stamp = readStamp();
for (const part of [library, tools]) {
  const known = stamp[part.output];
  // The output is looked at as well: somebody may have built other sources into it since, or removed it.
  if (known?.sources === part.sources && known.output === fingerprintOfFiles(part.output)) continue;
  part.build();
  stamp[part.output] = { sources: part.sources, output: fingerprintOfFiles(part.output) };
  mkdirSync(dirname(stampFile), { recursive: true });
  writeFileSync(stampFile, `${JSON.stringify(stamp, null, 2)}\n`);
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > NODE_NEEDED[0] || (major === NODE_NEEDED[0] && minor >= NODE_NEEDED[1])) return;
  fail(`Node ${NODE_NEEDED.join('.')} or newer is needed, this is ${process.versions.node}`);
}

/** Compares with npm's own record of what it put into node_modules, which it writes last. */
function dependenciesAreInstalled() {
  const installed = readJson('node_modules/.package-lock.json')?.packages;
  const wanted = readJson('package-lock.json')?.packages;
  if (installed === undefined || wanted === undefined) return false;
  return Object.entries(wanted).every(
    ([path, { version, integrity, optional }]) =>
      path === '' ||
      // Optional ones may be for another platform.
      (optional && installed[path] === undefined) ||
      (installed[path]?.version === version && installed[path].integrity === integrity),
  );
}

/** Changes when any of the files does, or when one comes or goes. */
function fingerprintOfContents(paths, seed = '') {
  const hash = createHash('sha256').update(seed);
  for (const file of paths.flatMap(filesUnder))
    hash.update(`\0${file}\0`).update(readFileSync(join(root, file)));
  return hash.digest('hex');
}

/** Cheaper: sizes and times only. For what is written by a build and read by nobody but Node. */
function fingerprintOfFiles(folder) {
  const hash = createHash('sha256');
  for (const file of filesUnder(folder)) {
    const { size, mtimeMs } = statSync(join(root, file));
    if (join(root, file) !== stampFile) hash.update(`${file}\0${size}\0${mtimeMs}\0`);
  }
  return hash.digest('hex');
}

function filesUnder(path) {
  const full = join(root, path);
  if (!existsSync(full)) return [];
  if (statSync(full).isFile()) return [path];
  return readdirSync(full, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(root.length + 1))
    .toSorted();
}

function run(what, command, args) {
  console.log(what);
  const { status, error, stdout, stderr } = spawnSync(command, args, { cwd: root, encoding: 'utf8' });
  if (status !== 0) fail(`${error?.message ?? ''}${stdout ?? ''}${stderr ?? ''}\nfailed: ${what}`);
}

function fail(message) {
  console.error(message.trim());
  process.exit(1);
}

function readStamp() {
  return readJson('build/.prepared.json') ?? {};
}

function readJson(file) {
  try {
    return JSON.parse(readFileSync(join(root, file), 'utf8'));
  } catch {
    return undefined;
  }
}
