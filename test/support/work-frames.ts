/** Frames as a worker is given them, without a broker: whatever a delivery says can be chosen. */
import type { Delivery } from '../../src/broker/queue-consumer.ts';
import { WorkFrame } from '../../src/worker/work-frame.ts';

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
