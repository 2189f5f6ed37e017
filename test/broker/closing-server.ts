/** Speaks just enough AMQP to open a connection and close it with the same bytes, as RabbitMQ does while it shuts down. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';

/** AMQP 0-9-1, 2.3.5 and 1.4: type 1, channel 0, size, class 10, method, arguments, end. */
function frame(method: number, ...parts: readonly Buffer[]): Buffer {
  const payload = Buffer.concat([short(10), short(method), ...parts]);
  return Buffer.concat([Buffer.from([1, 0, 0]), long(payload.length), payload, Buffer.from([0xce])]);
}

function short(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function long(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

const shortText = (text: string): Buffer => Buffer.concat([Buffer.from([text.length]), Buffer.from(text)]);
const longText = (text: string): Buffer => Buffer.concat([long(text.length), Buffer.from(text)]);

const START = frame(10, Buffer.from([0, 9]), long(0), longText('PLAIN'), longText('en_US'));
const TUNE = frame(30, short(2_047), long(131_072), short(0));
const OPEN_OK = frame(41, shortText(''));
const CLOSE = frame(50, short(320), shortText('CONNECTION_FORCED'), short(0), short(0));

/** By what each of them answers is known: the header, connection.start-ok, connection.open. */
const ANSWERS: readonly (readonly [sign: Buffer, answer: Buffer])[] = [
  [Buffer.from('AMQP'), START],
  [Buffer.concat([short(10), short(11)]), TUNE],
  [Buffer.concat([short(10), short(40)]), Buffer.concat([OPEN_OK, CLOSE])],
];

export interface ClosingServer {
  readonly url: string;
  /** Connections that it has opened and closed. */
  readonly closed: () => number;
  readonly close: () => void;
}

export async function startClosingServer(): Promise<ClosingServer> {
  let closed = 0;
  const server: Server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      for (const [sign, answer] of ANSWERS) if (bytes.includes(sign)) socket.write(answer);
      if (bytes.includes(ANSWERS[2]?.[0] ?? '')) closed += 1;
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `amqp://guest:guest@127.0.0.1:${port}`,
    closed: () => closed,
    close: () => server.close(),
  };
}
