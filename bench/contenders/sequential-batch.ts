/** The usual next step: 500 messages or 50 ms, then one multi-row INSERT of parsed and re-stringified JSON; one at a time. */
import { type ConsumeMessage, connect } from 'amqplib';
import { Client } from 'pg';
import type { PlainMessage } from '../workloads/plain-messages.ts';
import type { QueueDrainRun, QueueDrainSetup } from './naive.ts';
import { serve } from './serve.ts';

const BATCH_MESSAGES = 500;
const LINGER_MS = 50;
/** So that the next batch is there when one is written. */
const PREFETCH = 2 * BATCH_MESSAGES;

const COLUMNS = 4;

function insertText(rows: number): string {
  const values = Array.from({ length: rows }, (_, row) => {
    const at = row * COLUMNS;
    return `($${at + 1}, $${at + 2}, $${at + 3}, $${at + 4})`;
  });
  return `
    INSERT INTO goverse_objects (object_id, object_type, data, version) VALUES ${values.join(', ')}
    ON CONFLICT (object_id) DO UPDATE
    SET object_type = excluded.object_type, data = excluded.data, version = excluded.version, updated_at = CURRENT_TIMESTAMP
    WHERE goverse_objects.version < excluded.version`;
}

serve(async ({ amqpUrl, databaseUrl, queue }: QueueDrainSetup) => {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  const model = await connect(amqpUrl);
  const channel = await model.createChannel();
  await channel.prefetch(PREFETCH);

  const store = async (batch: readonly ConsumeMessage[]): Promise<void> => {
    // One statement may not touch a row twice: the last message of an object wins.
    const newest = new Map<string, PlainMessage>();
    for (const { content } of batch) {
      const message = JSON.parse(content.toString()) as PlainMessage;
      newest.set(message.id, message);
    }
    const saves = [...newest.values()].filter(({ op }) => op === 'save');
    const deletes = [...newest.values()].filter(({ op }) => op === 'delete');
    if (saves.length > 0) {
      await client.query(
        insertText(saves.length),
        saves.flatMap(({ id, type, version, document }) => [id, type, JSON.stringify(document), version]),
      );
    }
    if (deletes.length > 0) {
      await client.query('DELETE FROM goverse_objects WHERE object_id = ANY($1)', [
        deletes.map(({ id }) => id),
      ]);
    }
  };

  return ({ commands }: QueueDrainRun) =>
    new Promise((resolve, reject) => {
      let count = 0;
      let waiting: ConsumeMessage[] = [];
      let writing = false;
      let timer: NodeJS.Timeout | undefined;

      const flush = async (): Promise<void> => {
        if (writing) return;
        clearTimeout(timer);
        timer = undefined;
        const batch = waiting.slice(0, BATCH_MESSAGES);
        waiting = waiting.slice(BATCH_MESSAGES);
        const last = batch.at(-1);
        if (last === undefined) return;
        writing = true;
        await store(batch);
        channel.ack(last, true);
        writing = false;
        count += batch.length;
        if (count === commands) resolve({ count });
        else schedule();
      };
      const schedule = (): void => {
        if (waiting.length >= BATCH_MESSAGES) flush().catch(reject);
        else if (waiting.length > 0) timer ??= setTimeout(() => void flush().catch(reject), LINGER_MS);
      };
      channel
        .consume(queue, (message) => {
          if (message === null) return;
          waiting.push(message);
          schedule();
        })
        .catch(reject);
    });
});
