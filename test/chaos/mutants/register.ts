/** Loaded into a mutated worker (`node --import`), before anything of it: puts the module hook in place. */
import { register } from 'node:module';
import { type Edit, MUTATIONS, STOPS } from './mutations.ts';

const name = process.env['CHAOS_MUTANT'] ?? 'of no name';
const known: Readonly<Record<string, readonly Edit[]>> = { ...MUTATIONS, ...STOPS };
const edits = known[name];
if (edits === undefined) throw new Error(`there is no mutation ${name}`);
register('./load-hook.js', import.meta.url, { data: edits });
