/** A real server and real connections. Goal: probes are right, and neither a request nor a taken port ends a worker. */
import { once } from 'node:events';
import { Agent, get } from 'node:http';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { HoldfastError } from '../../src/contract/errors.ts';
import { Health } from '../../src/telemetry/health.ts';
import { type HttpServer, type HttpServerOptions, startHttpServer } from '../../src/telemetry/http-server.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  await Promise.all(cleanups.splice(0).map((cleanup) => cleanup()));
});

async function start(overrides: Partial<HttpServerOptions> = {}): Promise<HttpServer & { url: string }> {
  const server = await startHttpServer({
    address: '127.0.0.1:0',
    addressGiven: true,
    health: new Health(['broker']),
    metrics: createMetrics({ version: '1', processMetrics: false }),
    ...overrides,
  });
  cleanups.push(() => server.close());
  return { ...server, url: `http://${server.address}` };
}

/** Holds a port of the loopback address until the test ends. */
async function takenPort(): Promise<number> {
  const holder = createServer();
  holder.listen(0, '127.0.0.1');
  await once(holder, 'listening');
  cleanups.push(() => holder.close());
  return (holder.address() as AddressInfo).port;
}

async function refusal(starting: Promise<unknown>): Promise<HoldfastError> {
  const error: unknown = await starting.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(HoldfastError);
  return error as HoldfastError;
}

describe('the endpoints', () => {
  it('serve the metrics in the Prometheus format', async () => {
    const metrics = createMetrics({ version: '1', processMetrics: false });
    const { url } = await start({ metrics });
    metrics.deliveries.inc(3);
    const response = await fetch(`${url}/metrics?from=scraper`);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(await response.text()).toContain('holdfast_deliveries_total 3\n');
  });

  it('answer 503 and name the condition until ready, 200 then', async () => {
    const health = new Health(['broker', 'store']);
    const { url } = await start({ health });
    health.pass('broker');
    health.fail('store', 'connection refused');
    const before = await fetch(`${url}/readyz`);
    expect(before.status).toBe(503);
    expect(await before.json()).toMatchObject({
      ready: false,
      conditions: { broker: { ok: true }, store: { ok: false, reason: 'connection refused' } },
    });
    health.pass('store');
    const after = await fetch(`${url}/readyz`);
    expect(after.status).toBe(200);
    expect(await after.json()).toMatchObject({ ready: true });
  });

  it('say live while a dependency is away, and not live only after something fatal', async () => {
    const health = new Health(['store']);
    const { url } = await start({ health });
    health.fail('store', 'away');
    expect((await fetch(`${url}/livez`)).status).toBe(200);
    health.declareFatal('stuck');
    const response = await fetch(`${url}/livez`);
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ live: false, fatal: 'stuck' });
  });

  it('are the only ones, and only to be read', async () => {
    const { url } = await start();
    for (const path of ['/', '/metrics/', '/readyz/x', '//livez'])
      expect((await fetch(url + path)).status).toBe(404);
    const response = await fetch(`${url}/metrics`, { method: 'POST', body: 'x' });
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('GET, HEAD');
    const head = await fetch(`${url}/livez`, { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
  });
});

describe('a request that goes wrong', () => {
  it('is answered with 500 and reported, and the next one is served', async () => {
    const failure = new Error('collector failed');
    const errors: unknown[] = [];
    let failing = true;
    const metrics = {
      contentType: 'text/plain',
      render: () => (failing ? Promise.reject(failure) : Promise.resolve('fine')),
    };
    const { url } = await start({ metrics, onError: (error) => errors.push(error) });
    const response = await fetch(`${url}/metrics`);
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain('collector');
    expect(errors).toEqual([failure]);
    failing = false;
    expect(await (await fetch(`${url}/metrics`)).text()).toBe('fine');
  });

  it('ends its own connection at most', async () => {
    const { url, address } = await start();
    const port = Number(address?.split(':')[1]);
    const socket = connect(port, '127.0.0.1');
    socket.end('this is not HTTP\r\n\r\n');
    socket.resume();
    await once(socket, 'close');
    const aborted = connect(port, '127.0.0.1');
    aborted.write('GET /metrics HTTP/1.1\r\nHost: x\r\n');
    await once(aborted, 'connect');
    aborted.destroy();
    expect((await fetch(`${url}/livez`)).status).toBe(200);
  });
});

describe('the address', () => {
  it('may be off, and then nothing listens', async () => {
    const server = await startHttpServer({
      address: 'off',
      addressGiven: true,
      health: new Health([]),
      metrics: createMetrics({ version: '1', processMetrics: false }),
    });
    expect(server).toMatchObject({ address: undefined, moved: false });
    await server.close();
    await server.close();
  });

  it('gives way to the next free port if nobody chose it and it is taken', async () => {
    const port = await takenPort();
    const server = await start({ address: `127.0.0.1:${port}`, addressGiven: false });
    expect(server.moved).toBe(true);
    expect(Number(server.address?.split(':')[1])).toBeGreaterThan(port);
    expect((await fetch(`${server.url}/livez`)).status).toBe(200);
  });

  it('is an error if somebody chose it and it is taken', async () => {
    const port = await takenPort();
    const error = await refusal(start({ address: `127.0.0.1:${port}` }));
    expect(error).toMatchObject({ code: 'CONFIG_INVALID', scope: 'process', retryable: false });
    expect(error.message).toBe(
      `cannot listen for HTTP on 127.0.0.1, port ${port}: already in use; choose another httpAddress, or off`,
    );
  });

  it('is an error if it is not one of this machine, whoever chose it', async () => {
    const error = await refusal(start({ address: '192.0.2.1:9464', addressGiven: false }));
    expect(error.message).toContain('EADDRNOTAVAIL');
  });

  it.each(['', '9464', ':9464', 'localhost', 'localhost:99999', '::1:80', 'http://h:1'])(
    'is an error if it is %j',
    async (address) => {
      const error = await refusal(start({ address }));
      expect(error.message).toContain('neither host:port nor off');
    },
  );

  it('is told as it can be called, also for IPv6', async () => {
    const server = await start({ address: '[::1]:0' });
    expect(server).toMatchObject({ address: expect.stringMatching(/^\[::1\]:\d+$/), moved: false });
    expect((await fetch(`${server.url}/livez`)).status).toBe(200);
  });
});

describe('close', () => {
  it('ends kept-alive and silent connections, stops listening, and may be repeated', async () => {
    const server = await start();
    const agent = new Agent({ keepAlive: true });
    cleanups.push(() => agent.destroy());
    const kept = await new Promise<Socket>((resolve, reject) => {
      get(`${server.url}/livez`, { agent }, (response) => {
        const { socket } = response;
        response.resume();
        response.once('end', () => resolve(socket));
      }).once('error', reject);
    });
    const silent = connect(Number(server.address?.split(':')[1]), '127.0.0.1');
    await once(silent, 'connect');
    // A second answer on the same port proves that the server has seen the silent connection before it.
    await (await fetch(`${server.url}/livez`)).text();
    silent.on('error', () => {});
    silent.resume();

    const ended = Promise.all([once(kept, 'close'), once(silent, 'close')]);
    await Promise.all([server.close(), server.close()]);
    await ended;
    await server.close();
    await expect(fetch(`${server.url}/livez`)).rejects.toThrow();
  });
});
