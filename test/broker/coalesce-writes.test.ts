/** What is written within one callback goes out together. Goal: in order, whole, without waiting for another turn. */
import { Writable } from 'node:stream';
import { expect, it } from 'vitest';
import { coalesceWrites } from '../../src/broker/coalesce-writes.ts';

/** A socket that takes several chunks in one system call, and notes what it is given each time. */
function openSocket(highWaterMark = 16_384): { socket: Writable; calls: string[] } {
  const calls: string[] = [];
  const socket = new Writable({
    highWaterMark,
    write: (chunk: Buffer, _encoding, done) => {
      calls.push(chunk.toString());
      done();
    },
    writev: (chunks, done) => {
      calls.push(chunks.map(({ chunk }) => String(chunk)).join(''));
      done();
    },
  });
  coalesceWrites(socket);
  return { socket, calls };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

it('many small writes are one, and those of the next turn another', async () => {
  const { socket, calls } = openSocket();
  for (const text of ['a', 'b', 'c']) socket.write(text);
  await turn();
  for (const text of ['d', 'e']) socket.write(text);
  await turn();
  expect(calls).toEqual(['abc', 'de']);
});

it('a lone write is not held back until another turn', async () => {
  const { socket, calls } = openSocket();
  socket.write('a');
  await Promise.resolve();
  process.nextTick(() => calls.push('next tick'));
  await turn();
  expect(calls).toEqual(['a', 'next tick']);
});

it('still says when it is full, and when it can take more', async () => {
  const { socket, calls } = openSocket(4);
  const drained = new Promise((resolve) => socket.once('drain', resolve));
  expect(socket.write('ab')).toBe(true);
  expect(socket.write('cd')).toBe(false);
  await drained;
  expect(calls).toEqual(['abcd']);
});

it('ends with everything that was written before', async () => {
  const { socket, calls } = openSocket();
  socket.write('a');
  socket.write('b');
  await new Promise<void>((resolve) => {
    socket.end('c', resolve);
  });
  expect(calls.join('')).toBe('abc');
});
