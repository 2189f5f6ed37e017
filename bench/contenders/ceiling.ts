/** No queue: rows that are already in memory, in bulk, by one strategy on one or two connections. The limit. */
import { Client } from 'pg';
import { documentOf, idOf, OBJECT_TYPE } from '../workloads/objects.ts';
import { type Command, commandsOf, type WorkloadSpec } from '../workloads/workload.ts';
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
  const batches = batchesOf(spec, batchRows, way.takes);
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

/**
 * Sorted by id within each batch, which is good for the index, and kept off the clock. The bytes of a batch lie in one buffer,
 * as those of a frame do: a million small ones would have the garbage collector do more than the contender.
 */
function batchesOf(spec: WorkloadSpec, batchRows: number, takes: 'text' | 'bytes'): CeilingRow[][] {
  const batches: CeilingRow[][] = [];
  let commands: Command[] = [];
  const endBatch = (): void => {
    if (commands.length > 0) batches.push(rowsOf(commands, spec, takes));
    commands = [];
  };
  for (const command of commandsOf(spec)) {
    commands.push(command);
    if (commands.length === batchRows) endBatch();
  }
  endBatch();
  return batches;
}

const NOTHING = Buffer.alloc(0);

function rowsOf(commands: readonly Command[], spec: WorkloadSpec, takes: 'text' | 'bytes'): CeilingRow[] {
  const texts = commands.map(({ index }) => documentOf(index, spec.revision, spec.documentBytes));
  const body = takes === 'bytes' ? Buffer.from(texts.join('')) : NOTHING;
  let at = 0;
  const rows = commands.map(({ index, version }, i): CeilingRow => {
    const text = texts[i] ?? '';
    const documentStart = at;
    // The documents are ASCII.
    if (takes === 'bytes') at += text.length;
    return {
      id: idOf(index),
      type: OBJECT_TYPE,
      version,
      epoch: 0,
      nextRcseq: 0,
      text: takes === 'text' ? text : '',
      body,
      documentStart,
      documentEnd: at,
    };
  });
  return rows.toSorted((a, b) => (a.id < b.id ? -1 : 1));
}
