/**
 * What `declareTopology` would declare, as data: found by letting it declare on a channel that only takes notes. So there
 * is one place that says what an installation consists of, and tools cannot disagree with it.
 */
import type { Channel, ChannelModel, Options } from 'amqplib';
import type { Names } from '../contract/names.ts';
import { declareTopology } from './topology.ts';

export type ExpectedItem =
  | {
      readonly kind: 'exchange';
      readonly name: string;
      readonly type: string;
      readonly options: Options.AssertExchange;
    }
  | { readonly kind: 'queue'; readonly name: string; readonly options: Options.AssertQueue };

/** Every exchange and queue for a number of partitions, each once, in the order of declaration. */
export async function expectedTopology(names: Names, partitionCount: number): Promise<ExpectedItem[]> {
  const items: ExpectedItem[] = [];
  const notes: Partial<Record<keyof Channel, unknown>> = {
    assertExchange: async (name: string, type: string, options: Options.AssertExchange = {}) => {
      items.push({ kind: 'exchange', name, type, options });
    },
    assertQueue: async (name: string, options: Options.AssertQueue = {}) => {
      items.push({ kind: 'queue', name, options });
    },
    bindQueue: async () => undefined,
    on: () => undefined,
    close: async () => undefined,
  };
  const model = { createChannel: async () => notes };
  await declareTopology(model as unknown as ChannelModel, names, partitionCount);
  return items;
}
