/**
 * Given to a worker by `node --import`: its process dies of frames that contain a certain text, as of a fault in the
 * engine or of memory that runs out. At once and without a word, when the frame is read.
 */
import { register } from 'node:module';
import { isMainThread } from 'node:worker_threads';

const READ = 'const { type, body } = this.delivery;';
const DIE = `if (body.includes('deadly')) process.kill(process.pid, 'SIGKILL');`;

if (isMainThread) register(import.meta.url);

/** @type {import('node:module').LoadHook} */
export async function load(url, context, nextLoad) {
  const loaded = await nextLoad(url, context);
  if (!url.endsWith('/dist/worker/work-frame.js')) return loaded;
  const source = loaded.source.toString();
  if (!source.includes(READ)) throw new Error(`work-frame.js has no text ${READ}`);
  return { ...loaded, source: source.replace(READ, `${READ} ${DIE}`) };
}
