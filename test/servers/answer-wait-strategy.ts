// Tells testcontainers that a container is ready when its server answers. Its own strategies are not used: open ports
// are no answer (Docker opens them at once, or on one address family only), and log texts change between versions.

import type { WaitStrategy } from 'testcontainers';
import { untilAnswered } from './server-answers.ts';

type Container = Parameters<WaitStrategy['waitUntilReady']>[0];

const LOG_TAIL_LINES = 15;

export class AnswerWaitStrategy implements WaitStrategy {
  readonly #what: string;
  readonly #ask: () => Promise<unknown>;
  #limitMs: number;

  constructor(what: string, limitMs: number, ask: () => Promise<unknown>) {
    this.#what = what;
    this.#limitMs = limitMs;
    this.#ask = ask;
  }

  async waitUntilReady(container: Container): Promise<void> {
    await untilAnswered(this.#what, this.#limitMs, async () => {
      const { Running, ExitCode } = (await container.inspect()).State;
      if (!Running) {
        throw new Error(
          `${this.#what} ended with exit code ${ExitCode}; its log ends:\n${await logTail(container)}`,
        );
      }
      return this.#ask();
    });
  }

  withStartupTimeout(startupTimeoutMs: number): this {
    this.#limitMs = startupTimeoutMs;
    return this;
  }

  isStartupTimeoutSet(): boolean {
    return true;
  }

  getStartupTimeout(): number {
    return this.#limitMs;
  }
}

async function logTail(container: Container): Promise<string> {
  const log = await container.logs({ stdout: true, stderr: true, tail: LOG_TAIL_LINES });
  // In pieces, each after eight bytes: which stream (one byte), three zeros, its length.
  const pieces: string[] = [];
  for (let at = 0; at + 8 <= log.length; at += 8 + log.readUInt32BE(at + 4)) {
    pieces.push(log.toString('utf8', at + 8, at + 8 + log.readUInt32BE(at + 4)));
  }
  return pieces.join('').trimEnd().replaceAll(/^/gm, '  ');
}
