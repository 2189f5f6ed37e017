/**
 * A short run whose every step is written down: a test says what is sent when and what breaks when, and the oracle
 * judges it as it judges the long runs. On one partition, so that there is one queue order.
 */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { waitingWorker } from '../faults/process-faults.ts';
import { HOOK_NAMESPACE } from '../harness/audit-trail.ts';
import { collectDatabase, collectLetters } from '../harness/collect.ts';
import type { Scratch } from '../harness/scratch.ts';
import { WorkerPool } from '../harness/worker-pool.ts';
import type { WorkerProcess } from '../harness/worker-process.ts';
import { loadCommand, type RawCommand } from '../nodes/raw-frame.ts';
import { RawLink, type RawMessage } from '../nodes/raw-link.ts';
import { type Line, readLines } from '../nodes/raw-reply.ts';
import { Recorder } from '../nodes/recorder.ts';
import type { WriteOutcome } from '../oracle/history.ts';
import { judge, type Verdict } from '../oracle/judge.ts';
import { FILES, readHistories } from '../record/history-folder.ts';
import { nowUs } from '../workload/clock.ts';
import { readDocument } from '../workload/documents.ts';
import { objectId } from '../workload/objects.ts';

const ANSWER_MS = 15_000;
const POLL_MS = 10;

interface Sending {
  readonly message: RawMessage;
  readonly commands: readonly RawCommand[];
  readonly invokedAt: number;
  readonly answered: Promise<Line[]>;
  readonly answer: (lines: Line[]) => void;
  confirmedAt: number;
  lines: Line[] | undefined;
}

export class ScriptedRun {
  readonly scratch: Scratch;
  readonly pool: WorkerPool;
  /** Past every proxy. */
  readonly sql: Client;
  readonly #folder: string;
  readonly #link: RawLink;
  readonly #recorder: Recorder;
  readonly #sendings = new Map<string, Sending>();

  private constructor(scratch: Scratch, folder: string, sql: Client, mutant: string | undefined) {
    this.scratch = scratch;
    this.#folder = folder;
    this.sql = sql;
    this.pool = new WorkerPool(scratch, folder, mutant);
    this.#recorder = new Recorder(0, join(folder, FILES.events('script')));
    this.#link = new RawLink(scratch.amqpUrl, scratch.prefix, 'script', {
      onRepliesLost: () => undefined,
      onReply: (messageId, body) => this.#sendings.get(messageId)?.answer(readLines(body.toString())),
    });
  }

  static async start(scratch: Scratch, mutant: string | undefined): Promise<ScriptedRun> {
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-script-'));
    const sql = new Client({ connectionString: scratch.databaseUrl });
    await sql.connect();
    const run = new ScriptedRun(scratch, folder, sql, mutant);
    await run.#link.open();
    return run;
  }

  /** A worker that consumes. */
  async worker(environment?: Readonly<Record<string, string>>): Promise<WorkerProcess> {
    const worker = await this.pool.add(environment);
    if (worker === undefined) throw new Error('the run is over');
    await worker.ready;
    return worker;
  }

  /** Publishes one frame; resolves when it is confirmed. */
  async publish(...commands: RawCommand[]): Promise<Sending> {
    return await this.publishAs(randomUUID(), ...commands);
  }

  /** As `publish`, with a message id: as a publisher does that was not told of a confirm. */
  async publishAs(messageId: string, ...commands: RawCommand[]): Promise<Sending> {
    const message: RawMessage = {
      messageId,
      routingKey: `${this.scratch.partitions}.0`,
      body: Buffer.concat(commands.map(({ lines }) => lines)),
      type: 'holdfast.commands.v1',
      timestamp: 1_700_000_000,
      replyMode: 'all',
    };
    let answer: Sending['answer'] = ignore;
    const answered = new Promise<Line[]>((resolve) => {
      answer = resolve;
    });
    const sending: Sending = {
      message,
      commands,
      invokedAt: nowUs(),
      answered,
      answer,
      confirmedAt: 0,
      lines: undefined,
    };
    this.#sendings.set(message.messageId, sending);
    void answered.then((lines) => {
      sending.lines = lines;
    });
    await this.#link.publish(message);
    sending.confirmedAt = nowUs();
    return sending;
  }

  /** Publishes one frame; resolves with its reply. */
  async send(...commands: RawCommand[]): Promise<Line[]> {
    const { answered } = await this.publish(...commands);
    return await within(answered, 'a reply');
  }

  /** Holds what stops at a hook of the database, until the returned function is called. */
  async hold(hook: number): Promise<() => Promise<void>> {
    await this.sql.query('SELECT pg_advisory_lock($1, $2)', [HOOK_NAMESPACE, hook]);
    return async () => {
      await this.sql.query('SELECT pg_advisory_unlock($1, $2)', [HOOK_NAMESPACE, hook]);
    };
  }

  /** Resolves when a worker's transaction has stopped at the hook. */
  async untilHeld(hook: number): Promise<void> {
    await within(this.#held(hook), 'a transaction at the hook');
  }

  async #held(hook: number): Promise<void> {
    while ((await waitingWorker(this.sql, hook)) === '') await pause(POLL_MS);
  }

  /** Waits until everything published was worked on, ends the workers, and asks the oracle about these objects. */
  async judge(objects: readonly number[]): Promise<Verdict> {
    await this.send(loadCommand(objects[0] ?? 0));
    await this.pool.drainAll();
    await pause(50);
    for (const sending of this.#sendings.values()) this.#record(sending);
    this.#recorder.close();
    await collectDatabase(this.sql, this.#folder);
    const { foreign } = await collectLetters(this.scratch, this.#folder);
    const ids = new Set(objects.map(objectId));
    const histories = [...readHistories(this.#folder)].filter(({ object }) => ids.has(object));
    return await judge(histories, {
      undrained: [],
      unsettled: [],
      malformedReplies: [],
      crashes: this.pool.crashes,
      foreignLetters: foreign,
    });
  }

  async close(): Promise<void> {
    await this.pool.close();
    await this.#link.close();
    await this.sql.end();
    await rm(this.#folder, { recursive: true, force: true });
  }

  #record({ commands, lines, invokedAt, confirmedAt }: Sending): void {
    for (const [index, command] of commands.entries()) {
      const line = lines?.[index];
      const { object, action, version, epoch, nonce, ifVersion, poison, claimId } = command;
      const endedAt = confirmedAt;
      if (action === 'claim' || action === 'ordered') {
        if (line === undefined) continue;
        const found = line.outcome === 'found';
        const { version: seen = 0, epoch: seenEpoch = 0 } = line;
        const document = found ? readDocument(line.document ?? '', object, seen) : { nonce: 0, intact: true };
        const load = { ...document, found, version: seen, epoch: seenEpoch, claimId, invokedAt, endedAt };
        this.#recorder.load(object, { action: action === 'claim' ? 'claim' : 'ordered', ...load });
        continue;
      }
      const outcome = line === undefined ? 'confirmed' : (line.outcome as WriteOutcome);
      const write = {
        action,
        version,
        epoch,
        nonce,
        ifVersion,
        poison,
        outcome,
        storedVersion: line?.version,
      };
      this.#recorder.write(object, { ...write, invokedAt, endedAt, bytesHash: undefined });
    }
  }
}

function ignore(): void {}

export async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

async function within<T>(promise: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took longer than ${ANSWER_MS} ms`)), ANSWER_MS);
  });
  return await Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
