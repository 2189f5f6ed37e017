// Asks a RabbitMQ or a PostgreSQL by the first bytes of its protocol whether it takes connections. An open port says
// too little: both open theirs before they are ready, and Docker opens published ports before anything listens.
// No driver needed, so that the servers can be brought up before anything is built.

import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

export interface Address {
  host: string;
  port: number;
}

/** One question takes at most this long; a server that is starting up may accept and then say nothing. */
const QUESTION_LIMIT_MS = 2_000;
const POLL_INTERVAL_MS = 50;

/** The version a RabbitMQ gives in its greeting; undefined if none answers. */
export async function amqpVersion(address: Address): Promise<string | undefined> {
  const protocolHeader = Buffer.from('AMQP\u0000\u0000\u0009\u0001', 'latin1');
  // Frame: type 1, channel, size, then connection.start = class 10, method 10, and a table with the version.
  const frame = await firstBytes(address, protocolHeader, (bytes) =>
    bytes.length >= 7 && bytes.length >= 8 + bytes.readUInt32BE(3) ? bytes : undefined,
  );
  if (frame === undefined || frame[0] !== 1 || frame.readUInt32BE(7) !== 0x000a_000a) return undefined;
  const key = Buffer.from('\u0007versionS', 'latin1');
  const at = frame.indexOf(key);
  if (at < 0) return 'of unknown version';
  const start = at + key.length + 4;
  return frame.subarray(start, start + frame.readUInt32BE(start - 4)).toString('utf8');
}

/** True once a PostgreSQL is past its start-up and recovery. */
export async function postgresAnswers(address: Address, user: string): Promise<true | undefined> {
  const settings = Buffer.from(`user\0${user}\0database\0postgres\0\0`);
  const startup = Buffer.alloc(8 + settings.length);
  startup.writeUInt32BE(startup.length, 0);
  startup.writeUInt32BE(3 << 16, 4); // protocol 3.0
  settings.copy(startup, 8);
  const reply = await firstBytes(address, startup, (bytes) =>
    bytes.length >= 5 && bytes.length >= 1 + bytes.readUInt32BE(1) ? bytes : undefined,
  );
  // 'R' asks for the password. An error also comes from a running server, unless it is cannot_connect_now.
  if (reply === undefined || (reply[0] === 0x45 && reply.includes('C57P03\0'))) return undefined;
  return reply[0] === 0x52 || reply[0] === 0x45 ? true : undefined;
}

/** Undefined if something accepts connections at the address, else why not. */
export async function connectionProblem(address: Address, limitMs: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(address);
    const settle = (problem: string | undefined) => {
      socket.destroy();
      resolve(problem);
    };
    socket.setTimeout(limitMs, () => settle(`no answer within ${limitMs} ms`));
    socket.once('connect', () => settle(undefined));
    socket.once('error', (error: NodeJS.ErrnoException) => settle(error.code ?? error.message));
  });
}

/** Asks until there is an answer. An error of `ask` ends it, as the time limit does. */
export async function untilAnswered<T>(
  what: string,
  limitMs: number,
  ask: () => Promise<T | undefined>,
): Promise<T> {
  const deadline = Date.now() + limitMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (Date.now() >= deadline) throw new Error(`${what} did not answer within ${limitMs / 1_000} s`);
    await delay(POLL_INTERVAL_MS);
  }
}

/** Sends a greeting and collects the reply until `complete` finds it whole; undefined if it never is. */
async function firstBytes(
  address: Address,
  greeting: Buffer,
  complete: (bytes: Buffer) => Buffer | undefined,
): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    let bytes = Buffer.alloc(0);
    const socket = connect(address, () => socket.write(greeting));
    const settle = (reply: Buffer | undefined) => {
      socket.destroy();
      resolve(reply);
    };
    socket.setTimeout(QUESTION_LIMIT_MS, () => settle(undefined));
    socket.on('data', (chunk) => {
      bytes = Buffer.concat([bytes, chunk]);
      const reply = complete(bytes);
      if (reply !== undefined) settle(reply);
    });
    socket.once('error', () => settle(undefined));
    socket.once('close', () => settle(undefined));
  });
}
