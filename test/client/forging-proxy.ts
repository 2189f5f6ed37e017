/**
 * A network that can tell a client what only the broker could: that its consumer was cancelled, as when the node with the
 * queue goes (the queue for replies is exclusive, so no other connection could delete it), and that it is blocked, as
 * when memory or disk run short.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** Classes and methods of AMQP 0-9-1 and RabbitMQ's extensions: `basic` is 60, `connection` is 10. */
const CONSUME_OK = Buffer.from([0, 60, 0, 21]);
const CANCEL = Buffer.from([0, 60, 0, 30]);
const BLOCKED = Buffer.from([0, 10, 0, 60]);
const UNBLOCKED = Buffer.from([0, 10, 0, 61]);
const FRAME_HEADER_BYTES = 7;
const FRAME_END = 0xce;

export class ForgingProxy {
  readonly url: string;
  readonly #close: () => Promise<void>;
  #client: Socket | undefined;
  #consumer: { readonly channel: number; readonly tag: Buffer } | undefined;

  private constructor(url: string, close: () => Promise<void>) {
    this.url = url;
    this.#close = close;
  }

  static async open(amqpUrl: string): Promise<ForgingProxy> {
    const target = new URL(amqpUrl);
    const sockets = new Set<Socket>();
    const server = createServer((client) => {
      const broker = connect(Number(target.port) || 5672, target.hostname);
      proxy.#client = client;
      for (const [from, to] of [
        [client, broker],
        [broker, client],
      ] as const) {
        sockets.add(from);
        from.on('error', () => undefined);
        from.pipe(to);
      }
      broker.on('data', (bytes) => proxy.#look(bytes));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = new URL(amqpUrl);
    url.hostname = '127.0.0.1';
    url.port = String((server.address() as AddressInfo).port);
    const proxy = new ForgingProxy(url.href, async () => {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    });
    return proxy;
  }

  /** Tells the client that its consumer is no more. */
  cancelConsumer(): void {
    if (this.#consumer === undefined) throw new Error('there is no consumer');
    const { channel, tag } = this.#consumer;
    this.#tell(channel, Buffer.concat([CANCEL, Buffer.from([tag.length]), tag, Buffer.from([1])]));
  }

  /** Tells the client that nothing is taken from it for a while. */
  block(reason: string): void {
    this.#tell(0, Buffer.concat([BLOCKED, Buffer.from([reason.length]), Buffer.from(reason)]));
  }

  unblock(): void {
    this.#tell(0, UNBLOCKED);
  }

  #tell(channel: number, payload: Buffer): void {
    const header = Buffer.alloc(FRAME_HEADER_BYTES);
    header.writeUInt8(1, 0);
    header.writeUInt16BE(channel, 1);
    header.writeUInt32BE(payload.length, 3);
    this.#client?.write(Buffer.concat([header, payload, Buffer.from([FRAME_END])]));
  }

  async close(): Promise<void> {
    await this.#close();
  }

  /** Notes channel and tag of the consumer; a method so short comes in one piece. */
  #look(bytes: Buffer): void {
    const at = bytes.indexOf(CONSUME_OK);
    if (at < FRAME_HEADER_BYTES) return;
    const length = bytes.readUInt8(at + CONSUME_OK.length);
    const start = at + CONSUME_OK.length + 1;
    const channel = bytes.readUInt16BE(at - FRAME_HEADER_BYTES + 1);
    this.#consumer = { channel, tag: Buffer.from(bytes.subarray(start, start + length)) };
  }
}
