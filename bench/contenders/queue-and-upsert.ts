/** The least that a queue before a database costs: one confirmed publish, its delivery, one direct upsert. No reply. */
import { connect } from 'amqplib';
import { documentOf, idOf, OBJECT_TYPE } from '../workloads/objects.ts';
import type { PlainMessage } from '../workloads/plain-messages.ts';
import type { SteadyRun } from './holdfast-client.ts';
import type { QueueDrainSetup } from './naive.ts';
import { atRate } from './pace.ts';
import { serve } from './serve.ts';
import { openPool, upsertOne } from './upsert-one.ts';

serve(async ({ amqpUrl, databaseUrl, queue }: QueueDrainSetup) => {
  const pool = await openPool(databaseUrl);
  // Connections of their own, as a publisher and a consumer have.
  const publishing = await (await connect(amqpUrl)).createConfirmChannel();
  const consuming = await (await connect(amqpUrl)).createChannel();
  const stored = new Map<number, { resolve: () => void; reject: (error: unknown) => void }>();
  let version = 0;

  await consuming.consume(queue, (message) => {
    if (message === null) return;
    const { id, type, document, version: ofMessage } = JSON.parse(message.content.toString()) as PlainMessage;
    const waiting = stored.get(ofMessage);
    stored.delete(ofMessage);
    upsertOne(pool, id, type, JSON.stringify(document), ofMessage).then(
      () => {
        consuming.ack(message);
        waiting?.resolve();
      },
      (error: unknown) => waiting?.reject(error),
    );
  });

  return async ({ perSecond, seconds, documentBytes }: SteadyRun) => {
    const latenciesMs = await atRate(perSecond, seconds, async () => {
      version += 1;
      const ofMessage = version;
      const document: unknown = JSON.parse(documentOf(ofMessage % 1_000, 1, documentBytes));
      const message = { op: 'save', id: idOf(ofMessage), type: OBJECT_TYPE, version: ofMessage, document };
      const done = new Promise<void>((resolve, reject) => stored.set(ofMessage, { resolve, reject }));
      const confirmed = new Promise<void>((resolve, reject) => {
        publishing.publish(
          '',
          queue,
          Buffer.from(JSON.stringify(message)),
          { persistent: true, mandatory: true },
          (error) => (error === null ? resolve() : reject(error as Error)),
        );
      });
      await Promise.all([confirmed, done]);
    });
    return { count: latenciesMs.length, latenciesMs };
  };
});
