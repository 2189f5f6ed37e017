/**
 * A network between one process and one server that can be broken in the ways networks break: every connection reset;
 * half-open, where nothing passes any more and nobody is told; late; a slow drip.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** `up` is from the process to the server. */
export type Direction = 'up' | 'down';

/** How bytes pass; the default is at once. */
export interface Traffic {
  /** Nothing passes; it is kept, until the proxy is healed. */
  readonly frozen?: boolean;
  readonly delayMs?: number;
  /** At most so many bytes at a time, with a pause after each. */
  readonly dripBytes?: number;
  readonly dripPauseMs?: number;
}

export class FaultProxy {
  /** The target's URL with the proxy's address in it. */
  readonly url: string;
  readonly #server: Server;
  readonly #links = new Set<Link>();
  #traffic: Readonly<Record<Direction, Traffic>> = { up: {}, down: {} };

  private constructor(url: string, server: Server, host: string, port: number) {
    this.url = url;
    this.#server = server;
    server.on('connection', (client) => {
      const link = new Link(
        client,
        connect(port, host),
        () => this.#traffic,
        () => this.#links.delete(link),
      );
      this.#links.add(link);
    });
  }

  static async open(targetUrl: string): Promise<FaultProxy> {
    const target = new URL(targetUrl);
    const port = Number(target.port) || (target.protocol.startsWith('amqp') ? 5672 : 5432);
    const server = createServer({ allowHalfOpen: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = new URL(targetUrl);
    url.hostname = '127.0.0.1';
    url.port = String((server.address() as AddressInfo).port);
    return new FaultProxy(url.href, server, target.hostname, port);
  }

  /** Ends every present connection with a reset, on both sides; new ones are accepted. */
  cut(): void {
    for (const link of this.#links) link.cut();
    this.#links.clear();
  }

  /**
   * Lets nothing pass on one connection, and resets it after a while; the others stand. Returns whether there was one.
   *
   * @param choice at least 0, less than 1.
   */
  async loseOne(choice: number, afterMs: number): Promise<boolean> {
    const links = [...this.#links];
    const link = links[Math.floor(choice * links.length)];
    if (link === undefined) return false;
    link.frozen = true;
    await delay(afterMs);
    link.cut();
    this.#links.delete(link);
    return true;
  }

  /** How bytes pass from now on, on present and future connections. */
  disturb(traffic: Traffic, ...directions: Direction[]): void {
    const chosen = directions.length === 0 ? (['up', 'down'] as const) : directions;
    for (const direction of chosen) this.#traffic = { ...this.#traffic, [direction]: traffic };
  }

  /** Bytes pass at once again. Connections that stood frozen are reset, as after a partition, unless told otherwise. */
  heal({ reset = true }: { reset?: boolean } = {}): void {
    const wasFrozen = this.#traffic.up.frozen === true || this.#traffic.down.frozen === true;
    this.#traffic = { up: {}, down: {} };
    if (wasFrozen && reset) this.cut();
    for (const link of this.#links) link.resume();
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.heal();
    this.cut();
    await closed;
  }
}

const FROZEN: Traffic = { frozen: true };

class Link {
  /** Whether nothing passes on this one, whatever holds for all. */
  frozen = false;
  readonly #sockets: readonly [Socket, Socket];
  readonly #pipes: readonly [Pipe, Pipe];

  constructor(
    client: Socket,
    server: Socket,
    traffic: () => Readonly<Record<Direction, Traffic>>,
    onClosed: () => void,
  ) {
    this.#sockets = [client, server];
    const close = (): void => {
      client.destroy();
      server.destroy();
      onClosed();
    };
    this.#pipes = [
      new Pipe(client, server, () => (this.frozen ? FROZEN : traffic().up), close),
      new Pipe(server, client, () => (this.frozen ? FROZEN : traffic().down), close),
    ];
  }

  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
    for (const pipe of this.#pipes) pipe.end();
  }

  resume(): void {
    for (const pipe of this.#pipes) pipe.resume();
  }
}

/** One direction of a connection. What comes in waits its turn, so nothing is ever reordered. */
class Pipe {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #traffic: () => Traffic;
  readonly #onClosed: () => void;
  /** `undefined` is the end of the stream. */
  readonly #waiting: { readonly bytes: Buffer | undefined; readonly at: number }[] = [];
  #running = false;
  #ended = false;
  #wake: (() => void) | undefined;

  constructor(from: Socket, to: Socket, traffic: () => Traffic, onClosed: () => void) {
    this.#from = from;
    this.#to = to;
    this.#traffic = traffic;
    this.#onClosed = onClosed;
    from.setNoDelay(true);
    from.on('data', (bytes) => this.#take(bytes));
    from.on('end', () => this.#take(undefined));
    from.on('error', () => undefined);
    from.on('close', () => {
      if (!this.#ended) this.#take(undefined);
    });
  }

  resume(): void {
    this.#wake?.();
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  #take(bytes: Buffer | undefined): void {
    const plain = Object.keys(this.#traffic()).length === 0;
    if (plain && !this.#running && bytes !== undefined) {
      this.#write(bytes);
      return;
    }
    this.#waiting.push({ bytes, at: performance.now() });
    // What a stopped network would not take either stays with its sender.
    if (this.#waiting.length > 64) this.#from.pause();
    if (!this.#running) void this.#run();
  }

  #write(bytes: Buffer): void {
    if (this.#to.destroyed || this.#to.write(bytes)) return;
    this.#from.pause();
    this.#to.once('drain', () => this.#from.resume());
  }

  async #run(): Promise<void> {
    this.#running = true;
    for (let next = this.#waiting.shift(); next !== undefined && !this.#ended; next = this.#waiting.shift()) {
      await this.#pass(next.bytes, next.at);
    }
    this.#running = false;
    this.#from.resume();
  }

  async #pass(bytes: Buffer | undefined, at: number): Promise<void> {
    while (this.#traffic().frozen === true && !this.#ended) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const { delayMs = 0, dripBytes, dripPauseMs = 0 } = this.#traffic();
    const waitMs = at + delayMs - performance.now();
    if (waitMs > 0) await delay(waitMs);
    if (this.#ended) return;
    if (bytes === undefined) {
      this.#ended = true;
      this.#onClosed();
      return;
    }
    if (dripBytes === undefined) {
      this.#write(bytes);
      return;
    }
    for (let from = 0; from < bytes.length && !this.#ended; from += dripBytes) {
      this.#write(bytes.subarray(from, from + dripBytes));
      // Healed meanwhile, the rest goes at once.
      if (this.#traffic().dripBytes !== undefined) await delay(dripPauseMs);
    }
  }
}
