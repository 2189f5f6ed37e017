/** What workers tell each other, and `holdfast status`, on the workers exchange: JSON, one object a message. */
import { z } from 'zod';

const Announcement = z.object({
  worker: z.string().min(1).max(255),
  /** here: subscribed to its partitions. leaving: about to close them. asking: wants to hear everybody. */
  state: z.enum(['here', 'leaving', 'asking']),
  /** Numbers of partitions it subscribes to. */
  partitionCounts: z.array(z.int().min(1)).max(8).default([]),
  /** Partitions that deliver to it, as `<N>.<p>`. */
  active: z.array(z.string().max(8)).max(1_024).default([]),
});
export type Announcement = z.output<typeof Announcement>;

export function encodeAnnouncement(announcement: Announcement): Buffer {
  return Buffer.from(JSON.stringify(announcement));
}

/** `undefined` for what is not an announcement: a newer worker may say other things. */
export function decodeAnnouncement(body: Buffer): Announcement | undefined {
  try {
    return Announcement.safeParse(JSON.parse(body.toString())).data;
  } catch {
    return undefined;
  }
}
