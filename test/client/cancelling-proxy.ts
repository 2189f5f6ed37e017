/**
 * A network that can tell a client that its consumer was cancelled, as a broker does when the node with the queue goes. A
 * queue for replies is exclusive, so no other connection could delete it.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** Class `basic`, methods `consume-ok` and `cancel` (AMQP 0-9-1, section 1.8.3). */
const CONSUME_OK = Buffer.from([0, 60, 0, 21]);
const CANCEL = Buffer.from([0, 60, 0, 30]);
const FRAME_HEADER_BYTES = 7;
const FRAME_END = 0xce;

export class CancellingProxy {
  readonly url: string;
  readonly #close: () => Promise<void>;
  #client: Socket | undefined;
  #consumer: { readonly channel: number; readonly tag: Buffer } | undefined;

  private constructor(url: string, close: () => Promise<void>) {
    this.url = url;
    this.#close = close;
  }

  static async open(amqpUrl: string): Promise<CancellingProxy> {
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
    const proxy = new CancellingProxy(url.href, async () => {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    });
    return proxy;
  }

  /** Tells the client that its consumer is no more. */
  cancelConsumer(): void {
    if (this.#client === undefined || this.#consumer === undefined) throw new Error('there is no consumer');
    const { channel, tag } = this.#consumer;
    const payload = Buffer.concat([CANCEL, Buffer.from([tag.length]), tag, Buffer.from([1])]);
    const header = Buffer.alloc(FRAME_HEADER_BYTES);
    header.writeUInt8(1, 0);
    header.writeUInt16BE(channel, 1);
    header.writeUInt32BE(payload.length, 3);
    this.#client.write(Buffer.concat([header, payload, Buffer.from([FRAME_END])]));
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
