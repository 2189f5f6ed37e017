/** RabbitMQ without a database: publish one message per object with confirm; consume and ack. */
import { connect } from 'amqplib';
import { documentOf, idOf, OBJECT_TYPE } from '../workloads/objects.ts';
import type { SavesRun } from './holdfast-client.ts';
import { serve } from './serve.ts';

export interface RabbitmqSetup {
  readonly amqpUrl: string;
  readonly queue: string;
}

export type RabbitmqRun =
  | { readonly publish: SavesRun }
  | { readonly consume: { readonly commands: number } };

/** Unconfirmed messages; measured, more bring nothing. */
const WINDOW = 1_000;
const PREFETCH = 1_000;
const ACK_EACH = 100;
const CONSUMER = 'bench';

serve(async ({ amqpUrl, queue }: RabbitmqSetup) => {
  const model = await connect(amqpUrl);
  const publishing = await model.createConfirmChannel();
  const consuming = await model.createChannel();
  await consuming.prefetch(PREFETCH);

  const publish = ({ commands, documentBytes }: SavesRun): Promise<number> => {
    const documents = Array.from(
      { length: 1_000 },
      (_, index) => JSON.parse(documentOf(index, 1, documentBytes)) as object,
    );
    return new Promise((resolve, reject) => {
      let sent = 0;
      let confirmed = 0;
      const fill = (): void => {
        while (sent < commands && sent - confirmed < WINDOW) {
          const document = documents[sent % documents.length];
          const body = JSON.stringify({ id: idOf(sent), type: OBJECT_TYPE, version: sent + 1, document });
          publishing.publish('', queue, Buffer.from(body), { persistent: true, mandatory: true }, (error) => {
            if (error !== null) return reject(error as Error);
            confirmed += 1;
            if (confirmed === commands) resolve(confirmed);
            else fill();
          });
          sent += 1;
        }
      };
      fill();
    });
  };

  const consume = ({ commands }: { readonly commands: number }): Promise<number> =>
    new Promise((resolve, reject) => {
      let count = 0;
      consuming
        .consume(
          queue,
          (message) => {
            if (message === null) return;
            count += 1;
            if (count % ACK_EACH === 0 || count === commands) consuming.ack(message, true);
            // Off again, or it would take what the next round publishes.
            if (count === commands) consuming.cancel(CONSUMER).then(() => resolve(count), reject);
          },
          { consumerTag: CONSUMER },
        )
        .catch(reject);
    });

  return async (run: RabbitmqRun) => ({
    count: 'publish' in run ? await publish(run.publish) : await consume(run.consume),
  });
});
