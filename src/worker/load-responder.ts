/**
 * Answers unordered loads and lists at once from what is committed. No timer: a free connection takes all loads that
 * wait; while it reads, the next gather.
 */
import { backoffMs, pause } from '../broker/backoff.ts';
import type { Delivery } from '../broker/queue-consumer.ts';
import type { ListCommand, LoadCommand } from '../contract/command.ts';
import { ContractError } from '../contract/errors.ts';
import { decodeFrame } from '../contract/frame.ts';
import type { ReplyItem } from '../contract/reply.ts';
import type { ReadSession } from '../store/store.ts';
import { StoreError, storeErrorOf } from '../store/store-error.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import {
  expired,
  isExpired,
  isOfOneObject,
  loadAnswer,
  type ObjectReader,
  type ReadResult,
  refusedRead,
  unreadable,
} from './load-answers.ts';
import { type AnsweredEntry, type AnsweredFrame, type SettleContext, settleFrame } from './settle-frame.ts';
import { type Rejection, reject } from './work-frame.ts';
import { StoppedError } from './write-retry.ts';

export interface LoadResponderOptions {
  readonly openSession: () => ReadSession;
  readonly connections: number;
  readonly reader: () => ObjectReader;
  /** Most bytes of documents, as they are stored, that a list reads at once. */
  readonly listBytesMax: number;
  readonly settle: SettleContext;
  readonly metrics: Metrics;
  readonly retryDelayMsMin: number;
  readonly retryDelayMsMax: number;
  /** Aborts when the drain deadline has passed. */
  readonly signal: AbortSignal;
  readonly onStoreError: (error: StoreError) => void;
  /** Told whenever the database could be read. */
  readonly onStoreSuccess: () => void;
  readonly onBug: (error: unknown) => void;
}

/** Most loads answered together; the rest waits for the next free connection. */
const LOADS_MAX = 1_000;

interface Request extends AnsweredFrame {
  readonly entries: RequestEntry[];
  rejection: Rejection | undefined;
}

interface RequestEntry extends AnsweredEntry {
  line: AnsweredEntry['line'];
  document: AnsweredEntry['document'];
  rejection: Rejection | undefined;
  listed: AnsweredEntry['listed'];
  partsSent: number;
  /** How far a list has come. */
  progress: ListProgress | undefined;
}

interface ListProgress {
  /** The last id found. */
  after: string | undefined;
  left: number;
  /** What was found last, and not sent yet. */
  waiting: readonly ReplyItem[];
}

export class LoadResponder {
  readonly #options: LoadResponderOptions;
  #waiting: Request[] = [];
  #wake: (() => void)[] = [];
  #ended = false;
  #lanes: Promise<void> | undefined;
  readonly #sessions: ReadSession[] = [];

  constructor(options: LoadResponderOptions) {
    this.#options = options;
  }

  start(): void {
    const { connections } = this.#options;
    this.#lanes ??= Promise.all(Array.from({ length: connections }, () => this.#runLane())).then(() => {});
  }

  add(delivery: Delivery): void {
    // After the end it stays unacked, and returns to the queue.
    if (this.#ended) return;
    this.#waiting.push(toRequest(delivery));
    setImmediate(() => this.#wake.shift()?.());
  }

  /** The channel is gone: what waits has returned to the queue. */
  dropReturned(): void {
    this.#waiting = this.#waiting.filter(({ delivery }) => delivery.live());
  }

  /** Answers what waits, then ends. */
  async end(): Promise<void> {
    this.#ended = true;
    for (const wake of this.#wake.splice(0)) wake();
    await this.#lanes;
  }

  /** Cuts the database connections, so that nothing under way lasts any longer. */
  async abandon(): Promise<void> {
    await Promise.all(this.#sessions.map((session) => session.close()));
  }

  async #runLane(): Promise<void> {
    const session = this.#options.openSession();
    this.#sessions.push(session);
    const reader = this.#options.reader();
    for (;;) {
      if (this.#waiting.length === 0) {
        if (this.#ended) break;
        await new Promise<void>((resolve) => {
          this.#wake.push(resolve);
        });
        continue;
      }
      try {
        await this.#answer(this.#take(), session, reader);
      } catch (error) {
        if (error instanceof StoppedError) break;
        this.#options.onBug(error);
        break;
      }
    }
    await session.close();
  }

  /** A list is taken by itself, since it may take long; loads are taken together. */
  #take(): Request[] {
    let loads = 0;
    let count = 0;
    for (const request of this.#waiting) {
      const { entries } = request;
      if (count > 0 && (isList(request) || loads + entries.length > LOADS_MAX)) break;
      loads += entries.length;
      count += 1;
      if (isList(request)) break;
    }
    return this.#waiting.splice(0, count);
  }

  async #answer(requests: readonly Request[], session: ReadSession, reader: ObjectReader): Promise<void> {
    const { retryDelayMsMin, retryDelayMsMax, signal, onStoreError, onStoreSuccess, settle } = this.#options;
    let waiting = requests;
    // Not all documents are in memory at once: what has all its answers is settled before more is read.
    const settleAnswered = async (): Promise<void> => {
      const answered = waiting.filter(isAnswered);
      waiting = waiting.filter((request) => !isAnswered(request));
      await Promise.all(answered.map((request) => settleRequest(request, settle)));
    };
    for (let retry = 0; ; retry += 1) {
      const open = openEntries(waiting);
      if (open.length === 0) break;
      try {
        await this.#read(open, session, reader, settleAnswered);
        onStoreSuccess();
      } catch (error) {
        const storeError = storeErrorOf(error);
        onStoreError(storeError);
        await pause(backoffMs(retry, retryDelayMsMin, retryDelayMsMax), signal);
        if (signal.aborted) throw new StoppedError('the worker was stopped before the loads could be read');
      }
    }
    await Promise.all(waiting.map((request) => settleRequest(request, settle)));
  }

  async #read(
    open: readonly OpenEntry[],
    session: ReadSession,
    reader: ObjectReader,
    settleAnswered: () => Promise<void>,
  ): Promise<void> {
    const { metrics } = this.#options;
    const loads = open.filter((item): item is OpenEntry<LoadCommand> => item.command.action === 'load');
    const lists = open.filter((item): item is OpenEntry<ListCommand> => item.command.action === 'list');
    const startedAt = performance.now();
    const wanted = loads.map(({ command: { id, document } }) => ({ id, document }));
    const answer = (index: number, result: ReadResult): void => {
      const entry = loads[index]?.entry;
      if (entry === undefined) return;
      const rejection = refusedRead(result);
      if (rejection !== undefined) reject(entry, rejection);
      else if (!(result instanceof StoreError)) Object.assign(entry, loadAnswer(result));
    };
    await reader.read(session, wanted, answer, settleAnswered);
    if (loads.length > 0) metrics.loadDuration.committed.observe((performance.now() - startedAt) / 1_000);
    for (const { entry, command, delivery } of lists) {
      const listedAt = performance.now();
      await this.#list(entry, command, delivery, session);
      metrics.loadDuration.list.observe((performance.now() - listedAt) / 1_000);
    }
  }

  async #sendSome(entry: RequestEntry, items: readonly ReplyItem[], delivery: Delivery): Promise<boolean> {
    return await this.#options.settle.replies.send(delivery, items, {
      partsBefore: entry.partsSent,
      isLast: false,
      onPart: () => {
        entry.partsSent += 1;
      },
    });
  }

  /**
   * Reads a list and sends it as it comes, all but the last: a page of the largest documents would not fit into memory.
   * What a statement leaves out for its size the next one reads, so that fewer than the limit still means the end.
   */
  async #list(
    entry: RequestEntry,
    command: ListCommand,
    delivery: Delivery,
    session: ReadSession,
  ): Promise<void> {
    const { listBytesMax } = this.#options;
    const { type, documents } = command;
    entry.progress ??= { after: command.after, left: command.limit, waiting: [] };
    const { progress } = entry;
    try {
      for (;;) {
        const { after, left } = progress;
        const wanted = { type, after, limit: left, documents, storedBytesMax: listBytesMax };
        const objects = await session.list(wanted);
        // With documents only nothing at all is the end.
        const isEnd = objects.length === 0 || objects.length === left || !documents;
        if (objects.length > 0) {
          if (progress.waiting.length > 0) {
            if (!(await this.#sendSome(entry, progress.waiting, delivery))) {
              // Nobody is there any more; should the end be heard all the same, the gap says that something is missing.
              entry.partsSent += 1;
              break;
            }
            if (isExpired(command.deadline)) {
              reject(entry, { error: expired() });
              return;
            }
          }
          progress.waiting = objects.map((object) => loadAnswer(object));
          progress.left -= objects.length;
          progress.after = objects.at(-1)?.id;
        }
        if (isEnd) break;
      }
      entry.listed = progress.waiting;
    } catch (error) {
      refuseList(entry, error);
    }
  }
}

/** @throws what may pass, and then be tried again from where it was. */
function refuseList(entry: RequestEntry, error: unknown): void {
  if (error instanceof StoppedError) throw error;
  const storeError = storeErrorOf(error);
  // Cancelled by statement_timeout: it would be again.
  if (storeError.sqlstate === QUERY_CANCELED) reject(entry, { error: expired() });
  else if (isOfOneObject(storeError)) reject(entry, { error: unreadable(storeError), storeError });
  else throw storeError;
}

const QUERY_CANCELED = '57014';

function isList({ entries }: Request): boolean {
  return entries[0]?.entry.command?.action === 'list';
}

function isAnswered({ entries }: Request): boolean {
  return entries.every(({ line, listed }) => line !== undefined || listed !== undefined);
}

async function settleRequest(request: Request, settle: SettleContext): Promise<void> {
  await settleFrame(request, settle);
  for (const entry of request.entries) entry.document = undefined;
}

interface OpenEntry<Command = LoadCommand | ListCommand> {
  readonly entry: RequestEntry;
  readonly command: Command;
  readonly delivery: Delivery;
}

/** What is still to be read; what nobody waits for any more is refused here. */
function openEntries(requests: readonly Request[]): OpenEntry[] {
  const open: OpenEntry[] = [];
  for (const { entries, delivery } of requests) {
    for (const entry of entries) {
      const command = entry.entry.command;
      if (command === undefined || entry.line !== undefined || entry.listed !== undefined) continue;
      if (command.action !== 'load' && command.action !== 'list') continue;
      if (isExpired(command.deadline)) reject(entry, { error: expired() });
      else open.push({ entry, command, delivery });
    }
  }
  return open;
}

function toRequest(delivery: Delivery): Request {
  const request: Request = { delivery, key: undefined, rejection: undefined, entries: [] };
  try {
    for (const entry of decodeFrame(delivery.type, delivery.body, { place: 'loads' })) {
      const work: RequestEntry = {
        entry,
        line: undefined,
        document: undefined,
        rejection: undefined,
        listed: undefined,
        partsSent: 0,
        progress: undefined,
      };
      if (entry.rejected !== undefined) reject(work, { error: entry.rejected.error });
      request.entries.push(work);
    }
  } catch (error) {
    if (!(error instanceof ContractError)) throw error;
    request.rejection = { error };
  }
  return request;
}
