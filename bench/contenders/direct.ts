/** No queue: a Node process that upserts, or selects, one object at a time through a pool of 25, as the seed's provider does. */
import { documentOf, idOf, OBJECT_TYPE } from '../workloads/objects.ts';
import { commandsOf, type WorkloadSpec } from '../workloads/workload.ts';
import { type LoadsRun, runLoads } from './load-loops.ts';
import { serve } from './serve.ts';
import { deleteOne, openPool, POOL_SIZE, upsertOne } from './upsert-one.ts';

export interface DirectSetup {
  readonly databaseUrl: string;
  /** What a `write` run writes. */
  readonly spec?: WorkloadSpec;
}

export type DirectRun = { readonly write: true } | { readonly load: LoadsRun };

const SELECT_ONE = 'SELECT object_type, data, version FROM goverse_objects WHERE object_id = $1';

serve(async ({ databaseUrl, spec }: DirectSetup) => {
  const pool = await openPool(databaseUrl);
  const writes = spec === undefined ? [] : inMemory(spec);

  const write = async (): Promise<number> => {
    const next = writes.values();
    const loop = async (): Promise<void> => {
      for (const { action, id, version, document } of next) {
        if (action === 'delete') await deleteOne(pool, id, version);
        else await upsertOne(pool, id, OBJECT_TYPE, JSON.stringify(document), version);
      }
    };
    await Promise.all(Array.from({ length: POOL_SIZE }, loop));
    return writes.length;
  };

  return async (run: DirectRun) => {
    if ('write' in run) return { count: await write() };
    return await runLoads(run.load, async (id) => {
      const { rows } = await pool.query({ name: 'select', text: SELECT_ONE, values: [id] });
      return rows.length === 1;
    });
  };
});

/** Parsed before the clock matters: a node holds objects, not text. */
function inMemory(spec: WorkloadSpec) {
  return Array.from(commandsOf(spec), ({ action, index, version }) => ({
    action,
    id: idOf(index),
    version,
    document: JSON.parse(documentOf(index, spec.revision, spec.documentBytes)) as object,
  }));
}
