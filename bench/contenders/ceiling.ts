/** No queue: rows that are already in memory, in bulk, by one strategy on one or two connections. The limit. */
import { Client } from 'pg';
import { documentOf, idOf, OBJECT_TYPE } from '../workloads/objects.ts';
import { commandsOf, type WorkloadSpec } from '../workloads/workload.ts';
import { type CeilingRow, type Strategy, WAYS } from './ceiling-strategies.ts';
import { serve } from './serve.ts';

export interface CeilingCell {
  readonly strategy: Strategy;
  readonly batchRows: number;
  readonly connections: number;
}

export interface CeilingRun {
  readonly write: true;
}

export interface CeilingSetup extends CeilingCell {
  readonly databaseUrl: string;
  readonly spec: WorkloadSpec;
}

serve(async ({ databaseUrl, spec, strategy, batchRows, connections }: CeilingSetup) => {
  const way = WAYS[strategy];
  const batches = batchesOf(spec, batchRows);
  const clients = await Promise.all(
    Array.from({ length: connections }, async () => {
      const client = new Client({ connectionString: databaseUrl });
      await client.connect();
      await way.prepare?.(client);
      return client;
    }),
  );
  return async (_run: CeilingRun) => {
    const next = batches.values();
    let count = 0;
    await Promise.all(
      clients.map(async (client) => {
        for (const rows of next) {
          await way.write(client, rows);
          count += rows.length;
        }
      }),
    );
    return { count };
  };
});

/** Sorted by id within each batch, which is good for the index, and kept off the clock. */
function batchesOf(spec: WorkloadSpec, batchRows: number): CeilingRow[][] {
  const batches: CeilingRow[][] = [];
  let batch: CeilingRow[] = [];
  for (const { index, version } of commandsOf(spec)) {
    const text = documentOf(index, spec.revision, spec.documentBytes);
    const body = Buffer.from(text);
    const row = { id: idOf(index), type: OBJECT_TYPE, version, epoch: 0, nextRcseq: 0, text };
    batch.push({ ...row, body, documentStart: 0, documentEnd: body.length });
    if (batch.length < batchRows) continue;
    batches.push(batch);
    batch = [];
  }
  if (batch.length > 0) batches.push(batch);
  for (const rows of batches) rows.sort((a, b) => (a.id < b.id ? -1 : 1));
  return batches;
}
