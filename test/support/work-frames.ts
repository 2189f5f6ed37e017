/** Frames as a worker is given them, without a broker: whatever a delivery says can be chosen. */
import { expect } from 'vitest';
import type { Delivery } from '../../src/broker/queue-consumer.ts';
import type { TypeSchemas } from '../../src/contract/type-schemas.ts';
import type { WriteSession } from '../../src/store/store.ts';
import { Caution } from '../../src/worker/caution.ts';
import { RefusalStreak } from '../../src/worker/refusal-streak.ts';
import { WorkFrame } from '../../src/worker/work-frame.ts';
import { writeBatch } from '../../src/worker/write-batch.ts';
import { WriteRetry } from '../../src/worker/write-retry.ts';
import { RETRY } from './test-broker.ts';

/** Delivered for the first time, over a channel that lives, by a publisher who wants no answer. */
export function deliveryOf(body: string, fields: Partial<Delivery> = {}): Delivery {
  return {
    body: Buffer.from(body),
    type: 'holdfast.commands.v1',
    messageId: undefined,
    replyTo: undefined,
    correlationId: undefined,
    appId: undefined,
    timestamp: undefined,
    headers: {},
    redelivered: false,
    returns: 0,
    receivedAt: 0,
    live: () => true,
    settle: () => undefined,
    ...fields,
  };
}

/** A frame of the only partition, read and not answered. */
export function frameOf(body: string, fields: Partial<Delivery> = {}): WorkFrame {
  const frame = new WorkFrame(deliveryOf(body, fields), { partitionCount: 1, partition: 0 });
  frame.decode({ documentBytesMax: 100, schemas: new Map() });
  return frame;
}

/** Writes the frames as one batch, with a database that must not fail. */
export async function writeFrames(
  session: WriteSession,
  frames: readonly WorkFrame[],
  schemas: TypeSchemas = new Map(),
): Promise<void> {
  await writeBatch(frames, {
    session,
    retry: new WriteRetry({
      ...RETRY,
      signal: new AbortController().signal,
      onFailure: (error) => expect.fail(error.message),
      onSuccess: () => undefined,
    }),
    streak: new RefusalStreak(),
    caution: new Caution(),
    schemas,
    onWritten: () => undefined,
  });
}
