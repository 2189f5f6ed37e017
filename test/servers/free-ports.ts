// Picks ports of 127.0.0.1 on which nothing listens.

import { randomInt } from 'node:crypto';
import { createServer, type Server } from 'node:net';

// Below the ranges from which systems take the local ports of outgoing connections (Linux from 32768, others from
// 49152). A server that is stopped for a while could not have its port back if an outgoing connection took it; worse,
// a client that keeps reconnecting to a port of that range can in the end be connected to itself.
const LOWEST_PORT = 20_000;
const HIGHEST_PORT = 32_000;
const ATTEMPTS_PER_PORT = 100;

/** `count` different free ports. Nothing reserves them, so use them soon. */
export async function freePorts(count: number): Promise<number[]> {
  const held: { port: number; server: Server }[] = [];
  try {
    for (let attempt = 0; held.length < count; attempt += 1) {
      if (attempt >= count * ATTEMPTS_PER_PORT) throw new Error('found no free port on 127.0.0.1');
      const port = randomInt(LOWEST_PORT, HIGHEST_PORT);
      const server = await listenOn(port);
      if (server !== undefined) held.push({ port, server });
    }
    return held.map(({ port }) => port);
  } finally {
    // All are held until the last is found, so that none comes twice.
    await Promise.all(held.map(({ server }) => new Promise((resolve) => server.close(resolve))));
  }
}

async function listenOn(port: number): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => resolve(server));
  });
}
