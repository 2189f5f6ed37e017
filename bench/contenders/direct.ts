/** No queue: a Node process that upserts, or selects, one object at a time through a pool of 25, as the seed's provider does. */
import { documentOf, idOf, OBJECT_TYPE } from '../workloads/objects.ts';
import { commandsOf, type WorkloadSpec } from '../workloads/workload.ts';
import { type LoadsRun, runLoads } from './load-loops.ts';
import { serve } from './serve.ts';
import { deleteOne, openPool, POOL_SIZE, upsertOne } from './upsert-one.ts';

export interface DirectSetup {
  readonly databaseUrl: string;
}

export type DirectRun = { readonly write: WorkloadSpec } | { readonly load: LoadsRun };

const SELECT_ONE = 'SELECT object_type, data, version FROM goverse_objects WHERE object_id = $1';

serve<DirectSetup, DirectRun>(async ({ databaseUrl }) => {
  const pool = await openPool(databaseUrl);

  const write = async (spec: WorkloadSpec): Promise<number> => {
    const commands = commandsOf(spec);
    let count = 0;
    const loop = async (): Promise<void> => {
      for (const { action, index, version } of commands) {
        const id = idOf(index);
        if (action === 'delete') await deleteOne(pool, id, version);
        else {
          // An object in memory is what a node has, so making the text is a part of the work.
          const document: unknown = JSON.parse(documentOf(index, spec.revision, spec.documentBytes));
          await upsertOne(pool, id, OBJECT_TYPE, JSON.stringify(document), version);
        }
        count += 1;
      }
    };
    await Promise.all(Array.from({ length: POOL_SIZE }, loop));
    return count;
  };

  return async (run) => {
    if ('write' in run) return { count: await write(run.write) };
    return await runLoads(run.load, async (id) => {
      const { rows } = await pool.query({ name: 'select', text: SELECT_ONE, values: [id] });
      return rows.length === 1;
    });
  };
});
