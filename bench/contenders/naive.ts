/** What most people write: prefetch 250, one prepared upsert per message through a pool of 25, each acked by itself. */
import { connect } from 'amqplib';
import type { PlainMessage } from '../workloads/plain-messages.ts';
import { serve } from './serve.ts';
import { deleteOne, openPool, upsertOne } from './upsert-one.ts';

export interface QueueDrainSetup {
  readonly amqpUrl: string;
  readonly databaseUrl: string;
  readonly queue: string;
}

/** Ends when so many messages are committed and acked. */
export interface QueueDrainRun {
  readonly commands: number;
}

const PREFETCH = 250;

serve(async ({ amqpUrl, databaseUrl, queue }: QueueDrainSetup) => {
  const pool = await openPool(databaseUrl);
  const model = await connect(amqpUrl);
  const channel = await model.createChannel();
  await channel.prefetch(PREFETCH);
  const store = async (content: Buffer): Promise<void> => {
    const { op, id, type, version, document } = JSON.parse(content.toString()) as PlainMessage;
    if (op === 'delete') await deleteOne(pool, id, version);
    else await upsertOne(pool, id, type, JSON.stringify(document), version);
  };

  return ({ commands }: QueueDrainRun) =>
    new Promise((resolve, reject) => {
      let count = 0;
      channel
        .consume(queue, (message) => {
          if (message === null) return;
          store(message.content).then(() => {
            channel.ack(message);
            count += 1;
            if (count === commands) resolve({ count });
          }, reject);
        })
        .catch(reject);
    });
});
