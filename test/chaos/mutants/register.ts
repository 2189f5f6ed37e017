/** Loaded into a mutated worker (`node --import`), before anything of it: puts the module hook in place. */
import { register } from 'node:module';
import { MUTATIONS, type MutationName } from './mutations.ts';

const name = process.env['CHAOS_MUTANT'] as MutationName | undefined;
const edits = name === undefined ? undefined : MUTATIONS[name];
if (edits === undefined) throw new Error(`there is no mutation ${name}`);
register('./load-hook.js', import.meta.url, { data: edits });
