/**
 * Serves `/metrics`, `/livez` and `/readyz`. Knows nothing of what is measured. A request never takes the process down:
 * whatever goes wrong with one becomes its status, or the end of its connection.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { HoldfastError } from '../contract/errors.ts';
import type { HealthReport } from './health.ts';

/** Ports tried beyond the default one: more workers on one machine than it can feed. */
const NEXT_PORTS_MAX = 64;

/** Far more than a scraper and a few probes ever need. */
const CONNECTIONS_MAX = 128;
const HEADERS_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 10_000;
/** Longer than the usual 15 s between two scrapes, so that a scraper keeps its connection. */
const KEEP_ALIVE_TIMEOUT_MS = 30_000;

export interface HttpServerOptions {
  /** `host:port`, `[IPv6]:port` or `off`; port 0 is any free port. */
  readonly address: string;
  /** Whether somebody chose the address. If not, and it is taken, the next free port is used. */
  readonly addressGiven: boolean;
  readonly health: { report(): HealthReport };
  readonly metrics: { readonly contentType: string; render(): Promise<string> };
  /** Told what went wrong with a request or a connection. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

export interface HttpServer {
  /** Where it listens; `undefined` if it is off. */
  readonly address: string | undefined;
  /** Whether that is another port than was asked for, because it was taken. */
  readonly moved: boolean;
  /** Stops listening and ends every connection, also those kept alive. Safe to call twice. */
  close(): Promise<void>;
}

/**
 * Starts to listen.
 *
 * @throws HoldfastError `CONFIG_INVALID` if the address is not one, or cannot be listened on.
 */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  if (options.address === 'off') return { address: undefined, moved: false, close: async () => {} };
  const { host, port } = parseAddress(options.address);
  const server = createServer((request, response) => {
    answer(request, response, options).catch((error: unknown) => {
      options.onError?.(error);
      fail(response);
    });
  });
  server.maxConnections = CONNECTIONS_MAX;
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.keepAliveTimeout = KEEP_ALIVE_TIMEOUT_MS;

  const bound = await bind(server, host, port, options.addressGiven ? 0 : NEXT_PORTS_MAX);
  server.on('error', (error) => options.onError?.(error));
  let closed: Promise<void> | undefined;
  return {
    address: `${host.includes(':') ? `[${host}]` : host}:${bound}`,
    moved: port !== 0 && bound !== port,
    close: () => (closed ??= close(server)),
  };
}

function parseAddress(address: string): { host: string; port: number } {
  const match = /^(?:\[(?<ipv6>[^\]]+)\]|(?<name>[^\s:[\]/]+)):(?<port>[0-9]{1,5})$/.exec(address);
  const host = match?.groups?.['ipv6'] ?? match?.groups?.['name'];
  const port = Number(match?.groups?.['port']);
  if (host === undefined || !(port <= 65_535)) {
    throw refusal(`the HTTP address ${JSON.stringify(address)} is neither host:port nor off`);
  }
  return { host, port };
}

/** Listens on the port or, if it is taken, on one of the next ones. Returns the port. */
async function bind(server: Server, host: string, port: number, nextPortsMax: number): Promise<number> {
  for (let next = 0; ; next += 1) {
    try {
      // One after the other on purpose: the first free port is wanted.
      // oxlint-disable-next-line no-await-in-loop
      await listen(server, host, port + next);
      return (server.address() as AddressInfo).port;
    } catch (error) {
      const { code = 'unknown error' } = error as NodeJS.ErrnoException;
      if (code === 'EADDRINUSE' && next < nextPortsMax && port + next < 65_535) continue;
      const tried = next === 0 ? `${host}, port ${port}` : `${host}, ports ${port} to ${port + next}`;
      const why = code === 'EADDRINUSE' ? 'already in use' : code;
      throw refusal(`cannot listen for HTTP on ${tried}: ${why}; choose another httpAddress, or off`, error);
    }
  }
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const onListening = (): void => {
      server.off('error', onError);
      resolve();
    };
    const onError = (error: Error): void => {
      server.off('listening', onListening);
      reject(error);
    };
    server.once('error', onError);
    server.once('listening', onListening);
    server.listen(port, host);
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    // A probe that is cut off reads as not ready, which is true; waiting for it could hold up the exit.
    server.closeAllConnections();
  });
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { health, metrics }: HttpServerOptions,
): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD');
    send(response, 405, 'text/plain; charset=utf-8', 'only GET and HEAD\n');
    return;
  }
  const path = request.url?.split('?', 1)[0];
  if (path === '/metrics') {
    send(response, 200, metrics.contentType, await metrics.render());
  } else if (path === '/livez') {
    const report = health.report();
    sendReport(response, report.live, report);
  } else if (path === '/readyz') {
    const report = health.report();
    sendReport(response, report.ready, report);
  } else {
    send(response, 404, 'text/plain; charset=utf-8', 'there are /metrics, /livez and /readyz\n');
  }
}

function sendReport(response: ServerResponse, ok: boolean, report: HealthReport): void {
  send(response, ok ? 200 : 503, 'application/json', `${JSON.stringify(report)}\n`);
}

/** Node leaves the body of an answer to HEAD out by itself. */
function send(response: ServerResponse, status: number, contentType: string, body: string): void {
  response.writeHead(status, {
    'Content-Type': contentType,
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
  });
  response.end(body);
}

function fail(response: ServerResponse): void {
  if (response.headersSent) response.destroy();
  else send(response, 500, 'text/plain; charset=utf-8', 'internal error\n');
}

function refusal(message: string, cause?: unknown): HoldfastError {
  return new HoldfastError('CONFIG_INVALID', message, { scope: 'process', retryable: false, cause });
}
