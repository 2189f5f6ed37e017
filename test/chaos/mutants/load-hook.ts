/** The module hook of a mutated worker: modules of `dist` are edited as they are loaded. Runs on a thread of its own. */
import type { InitializeHook, LoadHook } from 'node:module';
import type { Edit } from './mutations.ts';

let edits: readonly Edit[] = [];

export const initialize: InitializeHook<readonly Edit[]> = (data) => {
  edits = data;
};

export const load: LoadHook = async (url, context, nextLoad) => {
  const own = edits.filter(({ module }) => url.endsWith(`/dist/${module}`));
  const loaded = await nextLoad(url, context);
  if (own.length === 0) return loaded;
  let source = Buffer.from(loaded.source as Uint8Array).toString('utf8');
  for (const { module, find, replace } of own) {
    if (!source.includes(find)) throw new Error(`${module} has no text ${JSON.stringify(find)} to mutate`);
    source = source.replace(find, () => replace);
  }
  return { ...loaded, source };
};
