/**
 * A network between a client and a server that a test can break: cut every connection, or let them stand while nothing
 * passes any more (half-open), which is what a vanished machine looks like.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** `up` is from the client to the server. */
export type Direction = 'up' | 'down';

interface Link {
  readonly client: Socket;
  readonly server: Socket;
}

export class TcpProxy {
  /** The target's URL with the proxy's address in it. */
  readonly url: string;
  /** Connections accepted so far. */
  accepted = 0;
  /**
   * Asked before bytes are passed on: a promise holds them, and everything behind them in that direction, until it
   * resolves. May cut or silence the proxy, in which case they are not passed on.
   */
  watch: ((direction: Direction, bytes: Buffer) => Promise<void> | undefined) | undefined;
  readonly #server: Server;
  readonly #links = new Set<Link>();
  readonly #silent = new Set<Direction>();

  private constructor(url: string, server: Server, host: string, port: number) {
    this.url = url;
    this.#server = server;
    server.on('connection', (client) => this.#link(client, connect(port, host)));
  }

  static async open(targetUrl: string): Promise<TcpProxy> {
    const target = new URL(targetUrl);
    const port = Number(target.port) || (target.protocol.startsWith('amqp') ? 5672 : 5432);
    const server = createServer({ allowHalfOpen: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = new URL(targetUrl);
    url.hostname = '127.0.0.1';
    url.port = String((server.address() as AddressInfo).port);
    return new TcpProxy(url.href, server, target.hostname, port);
  }

  /** Ends every present connection with a reset, on both sides; new ones are accepted. */
  cut(): void {
    for (const { client, server } of this.#links) {
      client.resetAndDestroy();
      server.resetAndDestroy();
    }
    this.#links.clear();
  }

  /** Nothing passes in these directions any more, on present and future connections; not even an end. */
  silence(...directions: Direction[]): void {
    for (const direction of directions.length === 0 ? (['up', 'down'] as const) : directions) {
      this.#silent.add(direction);
    }
  }

  /** New connections pass again. Those that stood silent are ended: bytes of them are gone. */
  heal(): void {
    this.#silent.clear();
    this.cut();
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.cut();
    await closed;
  }

  #link(client: Socket, server: Socket): void {
    this.accepted += 1;
    const link = { client, server };
    this.#links.add(link);
    this.#pass('up', client, server, link);
    this.#pass('down', server, client, link);
  }

  #pass(direction: Direction, from: Socket, to: Socket, link: Link): void {
    let before = Promise.resolve();
    const inTurn = (step: () => Promise<void> | undefined): void => {
      before = before.then(step);
    };
    from.setNoDelay(true);
    from.on('data', (bytes) => {
      inTurn(async () => {
        if (this.#silent.has(direction)) return;
        await this.watch?.(direction, bytes);
        if (!this.#silent.has(direction) && !to.destroyed) to.write(bytes);
      });
    });
    from.on('end', () => {
      inTurn(async () => {
        if (!this.#silent.has(direction)) to.end();
      });
    });
    from.on('error', () => undefined);
    from.on('close', () => {
      inTurn(async () => {
        if (this.#silent.has(direction)) return;
        to.destroy();
        this.#links.delete(link);
      });
    });
  }
}
