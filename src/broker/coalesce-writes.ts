/**
 * Sends together what is written to a socket one after the other. amqplib hands each frame of each channel to the socket
 * by itself: a worker that has written a batch acks 16 partitions by 16 writes of 21 bytes, and each is a system call here
 * and a wakeup of RabbitMQ there.
 */
import type { Writable } from 'node:stream';

/** Holds back what is written until the present callback is over: nothing waits for another turn of the event loop. */
export function coalesceWrites(stream: Writable): void {
  const write = stream.write.bind(stream) as (...args: unknown[]) => boolean;
  stream.write = (...args: unknown[]): boolean => {
    if (stream.writableCorked === 0) {
      stream.cork();
      process.nextTick(() => stream.uncork());
    }
    return write(...args);
  };
}
