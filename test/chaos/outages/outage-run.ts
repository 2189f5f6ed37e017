/**
 * One long outage under steady publishing: two workers and a client see a server go, or refuse, and come back. Counts
 * what was confirmed, what became a letter, what was delivered again, how much memory it took, and how long everything
 * needed to catch up; at the end every object must be stored as it was last confirmed.
 */
import { mkdir, rm } from 'node:fs/promises';
import { connect, type HoldfastClient } from 'holdfast';
import { freePorts } from '../../servers/free-ports.ts';
import { runSql } from '../../servers/run-sql.ts';
import type { Servers } from '../../servers/servers.ts';
import { hold } from '../faults/fault.ts';
import { collectLetters } from '../harness/collect.ts';
import { Scratch } from '../harness/scratch.ts';
import { sum } from '../harness/sum.ts';
import { WorkerPool } from '../harness/worker-pool.ts';
import { OUTAGES, type OutageContext, type OutageName } from './outage.ts';
import { WatchedWorker } from './watched-worker.ts';

export interface OutagePlan {
  readonly outage: OutageName;
  readonly minutes: number;
  /** Saves a second. */
  readonly rate: number;
  readonly folder: string;
  readonly onProgress?: ((line: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface OutageResult {
  readonly held: boolean;
  readonly outage: OutageName;
  readonly minutes: number;
  readonly versions: string;
  readonly confirmedBefore: number;
  readonly confirmedDuring: number;
  readonly confirmedInAll: number;
  readonly failedSaves: number;
  /** Most saves that the client held at a time; it holds 65,536 of them or 64 MiB. */
  readonly bufferedItemsMax: number;
  readonly letters: number;
  readonly redeliveriesDuring: number;
  readonly redeliveriesInAll: number;
  readonly looksReadyDuring: number;
  readonly looksUnreadyDuring: number;
  /** Of each worker: before the outage, and the highest while it lasted. */
  readonly residentMiB: readonly {
    readonly before: number;
    readonly duringMax: number;
    readonly catchingUpMax: number;
  }[];
  readonly clientResidentMiBBefore: number;
  readonly clientResidentMiBMax: number;
  readonly readyAfterMs: number;
  readonly caughtUpAfterMs: number;
  readonly wrongObjects: number;
}

const PARTITIONS = 16;
const OBJECTS = 20_000;
const WARM_UP_MS = 10_000;
/** Workers notice that nothing can be written when they next write, and that a server is away by their timeouts. */
const NOTICE_MS = 5_000;
const TICK_MS = 100;
const LOOK_MS = 1_000;
const CATCH_UP_MS_MAX = 600_000;
const PADDING = 'x'.repeat(400);
const MIB = 1_048_576;

export async function runOutage(servers: Servers, plan: OutagePlan): Promise<OutageResult> {
  await mkdir(plan.folder, { recursive: true });
  const scratch = await Scratch.create(servers.amqpUrl, servers.databaseUrl, PARTITIONS);
  const pool = new WorkerPool(scratch, plan.folder);
  const role = `${scratch.prefix}-worker`;
  const context: OutageContext = { servers, databaseUrl: scratch.databaseUrl, role };
  const { begin, end } = OUTAGES[plan.outage];
  const stopping = new AbortController();
  let publishing: SteadyPublisher | undefined;
  try {
    const workerUrl = await createRole(context);
    const ports = await freePorts(2);
    for (const port of ports) {
      await pool.add({ HOLDFAST_DATABASE_URL: workerUrl, HOLDFAST_HTTP_ADDRESS: `127.0.0.1:${port}` });
    }
    const late = await pool.untilReady();
    if (late.length > 0) throw new Error(late.join('; '));
    const watched = ports.map((port) => new WatchedWorker(port));
    const look = async (): Promise<void> => {
      await Promise.all(watched.map((worker) => worker.look()));
      publishing?.look();
      plan.onProgress?.(
        `${publishing?.confirmed.toLocaleString('en-US')} confirmed, ${watched.reduce((total, { applied }) => total + applied, 0).toLocaleString('en-US')} applied, memory ${watched.map(({ residentBytesLast }) => Math.round(residentBytesLast / MIB)).join(' and ')} MiB`,
      );
    };
    const looking = async (ms: number): Promise<void> => {
      const until = performance.now() + ms;
      while (performance.now() < until && plan.signal?.aborted !== true) {
        await look();
        await hold(LOOK_MS, plan.signal ?? stopping.signal);
      }
    };

    publishing = await SteadyPublisher.start(scratch, plan.rate);
    await looking(WARM_UP_MS);
    const before = watched.map(({ residentBytesMax }) => residentBytesMax);
    const redeliveriesBefore = sum(watched, ({ redeliveries }) => redeliveries);
    const clientBefore = publishing.residentBytesMax;
    const confirmedBefore = publishing.confirmed;

    await begin(context);
    const beganAt = performance.now();
    await looking(NOTICE_MS);
    for (const worker of watched) {
      worker.forgetReadiness();
      worker.residentBytesMax = 0;
    }
    await looking(plan.minutes * 60_000 - NOTICE_MS);
    const minutes = (performance.now() - beganAt) / 60_000;
    const confirmedDuring = publishing.confirmed - confirmedBefore;
    const redeliveriesDuring = sum(watched, ({ redeliveries }) => redeliveries) - redeliveriesBefore;
    const during = watched.map(({ residentBytesMax }) => residentBytesMax);
    const looksReadyDuring = sum(watched, ({ readyLooks }) => readyLooks);
    const looksUnreadyDuring = sum(watched, ({ unreadyLooks }) => unreadyLooks);

    await end(context);
    const endedAt = performance.now();
    for (const worker of watched) {
      worker.forgetReadiness();
      worker.residentBytesMax = 0;
    }
    while (
      watched.some(({ readyLooks }) => readyLooks === 0) &&
      performance.now() - endedAt < CATCH_UP_MS_MAX
    ) {
      await looking(LOOK_MS / 2);
    }
    const readyAfterMs = performance.now() - endedAt;
    await publishing.stop();
    const catchingUp = setInterval(() => void look().catch(() => undefined), LOOK_MS);
    const wrongObjects = await publishing
      .wrongObjects(CATCH_UP_MS_MAX)
      .finally(() => clearInterval(catchingUp));
    const caughtUpAfterMs = performance.now() - endedAt;
    await look();
    const redeliveriesInAll = sum(watched, ({ redeliveries }) => redeliveries);
    await publishing.close();
    await pool.drainAll();
    const { letters } = await collectLetters(scratch, plan.folder);
    const { confirmed, failed, bufferedItemsMax, residentBytesMax } = publishing;
    return {
      held:
        letters === 0 &&
        wrongObjects === 0 &&
        failed === 0 &&
        redeliveriesDuring === 0 &&
        looksReadyDuring === 0 &&
        pool.crashes.length === 0,
      outage: plan.outage,
      minutes,
      versions: servers.describe,
      confirmedBefore,
      confirmedDuring,
      confirmedInAll: confirmed,
      failedSaves: failed,
      bufferedItemsMax,
      letters,
      redeliveriesDuring,
      redeliveriesInAll,
      looksReadyDuring,
      looksUnreadyDuring,
      residentMiB: watched.map(({ residentBytesMax: after }, index) => ({
        before: toMiB(before[index]),
        duringMax: toMiB(during[index]),
        catchingUpMax: toMiB(after),
      })),
      clientResidentMiBBefore: toMiB(clientBefore),
      clientResidentMiBMax: toMiB(residentBytesMax),
      readyAfterMs,
      caughtUpAfterMs,
      wrongObjects,
    };
  } finally {
    stopping.abort();
    await Promise.allSettled([servers.broker?.start(), servers.database?.start()]);
    await publishing?.close();
    await pool.close();
    await scratch.remove();
    await runSql(servers.databaseUrl, `DROP ROLE IF EXISTS "${role}"`).catch(() => undefined);
    await rm(plan.folder, { recursive: true, force: true });
  }
}

/** Saves objects in turn, so many a second, and remembers the last version of each that was confirmed. */
class SteadyPublisher {
  confirmed = 0;
  failed = 0;
  bufferedItemsMax = 0;
  residentBytesMax = 0;
  readonly #client: HoldfastClient;
  readonly #rate: number;
  readonly #last = new Map<string, number>();
  readonly #calls = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  #startedAt = 0;
  #issued = 0;
  #closed: Promise<void> | undefined;

  private constructor(client: HoldfastClient, rate: number) {
    this.#client = client;
    this.#rate = rate;
  }

  static async start({ amqpUrl, prefix, partitions }: Scratch, rate: number): Promise<SteadyPublisher> {
    const client = await connect({
      url: amqpUrl,
      node: 'steady',
      prefix,
      partitions,
      logger: { debug() {}, info() {}, warn() {}, error() {} },
    });
    const publisher = new SteadyPublisher(client, rate);
    client.on('failure', () => {
      publisher.failed += 1;
    });
    publisher.#startedAt = performance.now();
    publisher.#timer = setInterval(() => publisher.#tick(), TICK_MS);
    return publisher;
  }

  look(): void {
    const { bufferedItems, waitingItems } = this.#client.stats();
    this.bufferedItemsMax = Math.max(this.bufferedItemsMax, bufferedItems + waitingItems);
    this.residentBytesMax = Math.max(this.residentBytesMax, process.memoryUsage().rss);
  }

  /** Issues nothing more and waits until all of it is confirmed. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#calls);
  }

  /** Loads every object, behind its saves; how many are not stored as last confirmed. */
  async wrongObjects(timeoutMs: number): Promise<number> {
    const ids = [...this.#last.keys()];
    const found = await this.#client.loadMany(ids, { document: false, timeoutMs });
    return found.filter(({ id, version }) => version !== this.#last.get(id)).length;
  }

  /** Safe twice. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#closed ??= this.#client.close({ drainTimeoutMs: 5_000 }).then(() => undefined);
    await this.#closed;
  }

  #tick(): void {
    const due = Math.floor(((performance.now() - this.#startedAt) / 1_000) * this.#rate);
    // An object waits for its save before the next: with no broker there is one call for each object, no more.
    while (this.#issued < due && this.#calls.size < OBJECTS) {
      const call = this.#save(`steady-${this.#issued % OBJECTS}`, this.#issued);
      this.#issued += 1;
      this.#calls.add(call);
      void call.finally(() => this.#calls.delete(call));
    }
  }

  async #save(id: string, count: number): Promise<void> {
    try {
      const { version } = await this.#client.save({
        id,
        type: 'Steady',
        document: { count, padding: PADDING },
      });
      this.confirmed += 1;
      this.#last.set(id, Math.max(version, this.#last.get(id) ?? 0));
    } catch {
      this.failed += 1;
    }
  }
}

/** Workers that may do what they need and no more. Returns their URL. */
async function createRole(context: OutageContext): Promise<string> {
  const { role, databaseUrl } = context;
  const url = new URL(databaseUrl);
  const database = url.pathname.slice(1);
  url.username = role;
  url.password = 'outage';
  await runSql(
    databaseUrl,
    `CREATE ROLE "${role}" LOGIN PASSWORD 'outage'`,
    `GRANT TEMPORARY ON DATABASE "${database}" TO "${role}"`,
    `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO "${role}"`,
    `GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO "${role}"`,
  );
  return url.href;
}

function toMiB(bytes = 0): number {
  return Math.round(bytes / MIB);
}
