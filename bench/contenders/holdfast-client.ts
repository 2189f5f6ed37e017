/** An object node: saves at full speed, saves at a steady rate until they are persisted, loads. */
import { connect, type HoldfastClient } from 'holdfast';
import { documentOf, idOf, OBJECT_TYPE } from '../workloads/objects.ts';
import { type LoadsRun, runLoads } from './load-loops.ts';
import { atRate } from './pace.ts';
import { type RunResult, serve } from './serve.ts';

export interface ClientSetup {
  readonly amqpUrl: string;
  readonly prefix: string;
  readonly partitions: number;
}

export interface SteadyRun {
  readonly perSecond: number;
  readonly seconds: number;
  readonly documentBytes: number;
}

export interface SavesRun {
  readonly commands: number;
  readonly documentBytes: number;
}

export type ClientRun =
  | { readonly saves: SavesRun }
  | { readonly steady: SteadyRun }
  | { readonly load: LoadsRun };

/** Saves that are not confirmed yet; a node has so many callers at most. */
const OUTSTANDING_MAX = 10_000;

serve(async ({ amqpUrl, prefix, partitions }: ClientSetup) => {
  const client = await connect({ url: amqpUrl, node: 'bench-node', prefix, partitions });
  return async (run: ClientRun) => {
    if ('saves' in run) return { count: await saveAll(client, run.saves) };
    if ('steady' in run) return await saveSteadily(client, run.steady);
    const { consistency } = run.load;
    return await runLoads(run.load, async (id) => (await client.load(id, { consistency })).found);
  };
});

/** One call of `save` per object, each with an object in memory; ends when all are confirmed. */
function saveAll(client: HoldfastClient, { commands, documentBytes }: SavesRun): Promise<number> {
  const documents = documentsInMemory(documentBytes);
  return new Promise((resolve, reject) => {
    let sent = 0;
    let confirmed = 0;
    const settled = (): void => {
      confirmed += 1;
      if (confirmed === commands) resolve(confirmed);
      else fill();
    };
    const fill = (): void => {
      while (sent < commands && sent - confirmed < OUTSTANDING_MAX) {
        const document = documents[sent % documents.length] ?? {};
        client.save({ id: idOf(sent), type: OBJECT_TYPE, document }).then(settled, reject);
        sent += 1;
      }
    };
    fill();
  });
}

let steadySaves = 0;

async function saveSteadily(client: HoldfastClient, run: SteadyRun): Promise<RunResult> {
  const documents = documentsInMemory(run.documentBytes);
  const latenciesMs = await atRate(run.perSecond, run.seconds, async () => {
    steadySaves += 1;
    const document = documents[steadySaves % documents.length] ?? {};
    await client.save({ id: idOf(steadySaves), type: OBJECT_TYPE, document }, { until: 'persisted' });
  });
  return { count: latenciesMs.length, latenciesMs };
}

/** A thousand different ones, parsed before the clock matters: nodes hold objects, not text. */
function documentsInMemory(documentBytes: number): object[] {
  return Array.from(
    { length: 1_000 },
    (_, index) => JSON.parse(documentOf(index, 1, documentBytes)) as object,
  );
}
