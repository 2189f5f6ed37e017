/** Tries out, on a queue of its own that vanishes with the connection, whether the user may do what Holdfast does. */
import { randomBytes } from 'node:crypto';
import type { Channel, ChannelModel, ConfirmChannel } from 'amqplib';
import type { Names } from '../contract/names.ts';
import { type BrokerError, toBrokerError } from './broker-error.ts';

/** What was refused: `undefined` if nothing was. */
export interface RightsProbe {
  readonly refused:
    | { readonly right: 'configure' | 'write' | 'read'; readonly error: BrokerError }
    | undefined;
  /** RabbitMQ took no message in time: an alarm of memory or disk blocks everybody who publishes. */
  readonly blocked: boolean;
  /** From publishing to having it back. */
  readonly roundTripMs: number | undefined;
}

/** @param timeoutMs how long a message may take. @throws BrokerError if there is no channel to be had. */
export async function probeRights(
  model: ChannelModel,
  names: Names,
  timeoutMs: number,
): Promise<RightsProbe> {
  const queue = `${names.repliesPrefix}probe-${randomBytes(6).toString('hex')}`;
  const channel = await model.createConfirmChannel().catch((error: unknown) => {
    throw toBrokerError(error);
  });
  let reason: unknown;
  channel.on('error', (error) => {
    reason = error;
  });
  let right: 'configure' | 'write' | 'read' = 'configure';
  let blocked = false;
  try {
    await channel.assertQueue(queue, { exclusive: true, durable: false });
    right = 'write';
    const startedAt = performance.now();
    blocked = !(await publishConfirmed(channel, queue, timeoutMs));
    if (blocked) return { refused: undefined, blocked, roundTripMs: undefined };
    right = 'read';
    await consumeOne(channel, queue);
    return { refused: undefined, blocked, roundTripMs: performance.now() - startedAt };
  } catch (error) {
    return {
      refused: { right, error: toBrokerError(reason ?? error) },
      blocked: false,
      roundTripMs: undefined,
    };
  } finally {
    // A blocked connection is not read, so the close of a channel on it is not answered either.
    const closing = channel.close().catch(() => undefined);
    if (!blocked) await closing;
  }
}

/** Whether it was confirmed in time. */
async function publishConfirmed(channel: ConfirmChannel, queue: string, timeoutMs: number): Promise<boolean> {
  channel.sendToQueue(queue, Buffer.from('probe'));
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), timeoutMs);
  });
  try {
    return await Promise.race([channel.waitForConfirms().then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}

async function consumeOne(channel: Channel, queue: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    channel.on('close', () => reject(new Error('the channel was closed')));
    channel.consume(queue, () => resolve(), { noAck: true }).catch(reject);
  });
}
