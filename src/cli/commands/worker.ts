/** `holdfast worker`: a worker replica, from start to the end of its drain. */
import type { Worker } from '../../worker/worker.ts';
import type { CommandContext, CommandDefinition } from '../command-definition.ts';
import { EXIT_CODES, type ExitCode } from '../exit-code.ts';
import { databaseFault } from '../server-fault.ts';
import { onEndSignal } from '../signals.ts';

interface WorkerFlags {
  readonly migrate: boolean;
  readonly declare: boolean;
}

/**
 * How much longer a drain may take after a second signal. Enough for a batch that is being committed; what is not
 * finished by then is delivered again elsewhere.
 */
const HURRY_MS = 2_000;

/** How long the closing of connections may take after the drain deadline. */
const CLOSE_MS = 15_000;

/** How long a worker with a bug may try to finish what its other writers are at. */
const FATAL_STOP_MS = 5_000;

export const WORKER: CommandDefinition<WorkerFlags> = {
  name: 'worker',
  summary: 'run a worker replica',
  description:
    'Consumes commands from RabbitMQ, writes them to PostgreSQL and answers loads. Migrates the schema and declares ' +
    'the queues first, unless told not to. Logs JSON lines to standard output, among them "worker ready" once it ' +
    'consumes. SIGTERM or Ctrl-C drains: it finishes, answers and acknowledges what is being written, then exits. A ' +
    'second signal leaves it 2 s for that, a third ends it at once; nothing is lost either way.',
  examples: [
    [
      'holdfast worker --amqp-url amqp://mq --database-url postgres://db/holdfast',
      'a replica; start as many as you like',
    ],
    ['holdfast worker --no-migrate --no-declare', 'where the deployment does that beforehand'],
  ],
  exits: ['unavailable', 'unfinished'],
  shown: {
    groups: [
      'Servers',
      'Installation',
      'Process',
      'Writing',
      'Loading',
      'Timeouts',
      'Retention and warnings',
    ],
  },
  json: 'never',
  holdsSignals: true,
  configure: (command) => {
    command
      .option('--no-migrate', 'do not migrate; end if the schema is not up to date')
      .option('--no-declare', 'do not declare exchanges and queues');
  },
  run: runWorker,
};

async function runWorker(context: CommandContext<WorkerFlags>): Promise<ExitCode> {
  const { options, sources, flags, version } = context;
  const [{ Worker }, { createLogger }] = await Promise.all([
    import('../../worker/worker.ts'),
    import('../../telemetry/logger.ts'),
  ]);
  const logger = createLogger({ level: options.logLevel });
  const ending = new Ending(options.drainTimeoutMs);
  const worker = new Worker({
    options,
    logger,
    version,
    httpAddressGiven: sources.httpAddress.kind !== 'default',
    migrate: flags.migrate,
    declare: flags.declare,
    onFatal: () => ending.fatal(worker),
  });
  const removeHandlers = onEndSignal((count, signal) => {
    const drainTimeoutMs = options.drainTimeoutMs;
    if (count === 1) logger.info({ signal, timeoutMs: drainTimeoutMs }, 'draining');
    else if (count === 2) logger.warn({ signal, timeoutMs: HURRY_MS }, 'hurrying');
    else logger.warn({ signal }, 'ending at once');
    ending.signal(count, worker);
  });
  try {
    const exitCode = await untilEnd(worker, ending);
    logger.info({}, exitCode === EXIT_CODES.ok ? 'worker stopped' : 'worker stopped with work unfinished');
    return exitCode;
  } catch (error) {
    await worker.stop();
    throw isConnectionLost(error) ? databaseFault(error, options.databaseUrl) : error;
  } finally {
    removeHandlers();
  }
}

/** @throws whatever keeps the worker from starting, unless it was told to end meanwhile. */
async function untilEnd(worker: Worker, ending: Ending): Promise<ExitCode> {
  try {
    // Told to end while it was loaded.
    if (ending.begun) return await ending.reached;
    return await Promise.race([ending.reached, worker.start().then(() => ending.reached)]);
  } catch (error) {
    if (ending.begun) return await ending.reached;
    throw error;
  }
}

/** The database could not be reached at all, which deserves to be told with its name. */
function isConnectionLost(error: unknown): boolean {
  return error instanceof Error && 'connectionLost' in error && error.connectionLost === true;
}

/** Decides how a worker's process ends, and no later than when. */
class Ending {
  begun = false;
  #reach: (exitCode: ExitCode) => void = () => undefined;
  readonly reached = new Promise<ExitCode>((resolve) => {
    this.#reach = resolve;
  });
  readonly #drainTimeoutMs: number;

  constructor(drainTimeoutMs: number) {
    this.#drainTimeoutMs = drainTimeoutMs;
  }

  /** The n-th signal: drain, hurry, end. */
  signal(count: number, worker: Worker): void {
    this.begun = true;
    if (count === 1) {
      this.#noLaterThan(this.#drainTimeoutMs + CLOSE_MS, EXIT_CODES.unfinished);
      void worker.stop().then((inTime) => this.#reach(inTime ? EXIT_CODES.ok : EXIT_CODES.unfinished));
    } else if (count === 2) {
      this.#noLaterThan(HURRY_MS, EXIT_CODES.unfinished);
    } else {
      this.#reach(EXIT_CODES.unfinished);
    }
  }

  /** The worker cannot go on. */
  fatal(worker: Worker): void {
    this.begun = true;
    this.#noLaterThan(FATAL_STOP_MS, EXIT_CODES.bug);
    void worker.stop().then(() => this.#reach(EXIT_CODES.bug));
  }

  #noLaterThan(delayMs: number, exitCode: ExitCode): void {
    setTimeout(() => this.#reach(exitCode), delayMs).unref();
  }
}
