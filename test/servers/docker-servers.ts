// Rung 2: RabbitMQ and PostgreSQL in containers, by testcontainers. The only file that knows testcontainers, and it
// imports it only when an engine answers: loading it takes longer than the other rungs need to decide.

import { randomBytes } from 'node:crypto';
import type * as testcontainersModule from 'testcontainers';
import type { ContainerRuntimeClient, StartedTestContainer } from 'testcontainers';
import { AnswerWaitStrategy } from './answer-wait-strategy.ts';
import { freePorts } from './free-ports.ts';
import { type Address, amqpVersion, postgresAnswers, untilAnswered } from './server-answers.ts';
import { type Log, SERVER_USER, type ServerControl, type Servers } from './servers.ts';

/** Both images are about 300 MB together: enough for 1 MB/s. */
const PULL_LIMIT_MS = 300_000;
const START_LIMIT_MS = 120_000;
const STOP_LIMIT_S = 20;
/** Docker's 64 MB are too little for PostgreSQL's parallel queries. */
const SHARED_MEMORY_BYTES = 256 * 1024 * 1024;

type Testcontainers = typeof testcontainersModule;

interface Image {
  name: string;
  server: string;
  port: number;
  environment(password: string): Record<string, string>;
  command: string[];
  ask(address: Address): Promise<unknown>;
  /** Stops the server from within; where there is none, the container's own stop does. */
  shutdown?: string[];
}

const RABBITMQ: Image = {
  name: 'rabbitmq:4-management',
  server: 'RabbitMQ',
  port: 5672,
  environment: (password) => ({ RABBITMQ_DEFAULT_USER: SERVER_USER, RABBITMQ_DEFAULT_PASS: password }),
  command: [],
  ask: amqpVersion,
  // Not every image passes on the signal of a stop; then the server would be killed after its time.
  shutdown: ['rabbitmqctl', 'shutdown'],
};

const POSTGRES: Image = {
  name: 'postgres:18',
  server: 'PostgreSQL',
  port: 5432,
  environment: (password) => ({
    POSTGRES_USER: SERVER_USER,
    POSTGRES_PASSWORD: password,
    POSTGRES_DB: 'postgres',
  }),
  command: ['postgres', '-c', 'max_connections=200'],
  ask: (address) => postgresAnswers(address, SERVER_USER),
};

interface ContainerServer {
  /** User, password, host and port of its URL. */
  authority: string;
  address: Address;
  container: StartedTestContainer;
  control: ServerControl;
}

/** Throws if the images are not to be had or a container does not come up. */
export async function startDockerServers(log: Log): Promise<Servers> {
  const testcontainers = await import('testcontainers');
  const client = await testcontainers.getContainerRuntimeClient();
  const limit = AbortSignal.timeout(PULL_LIMIT_MS);
  await haveImages(testcontainers, client, limit, log);
  await haveReaper(testcontainers, client, limit);
  log(`starting ${RABBITMQ.name} and ${POSTGRES.name} (Docker)`);
  const [broker, database] = await Promise.allSettled([
    startContainer(testcontainers, client, RABBITMQ),
    startContainer(testcontainers, client, POSTGRES),
  ]);
  if (broker.status === 'rejected' || database.status === 'rejected') {
    await removeAll([broker, database].flatMap((one) => (one.status === 'fulfilled' ? [one.value] : [])));
    throw broker.status === 'rejected' ? broker.reason : (database as PromiseRejectedResult).reason;
  }
  const [rabbitmq, postgres] = [broker.value, database.value];
  const [brokerVersion, databaseVersion] = await Promise.all([
    amqpVersion(rabbitmq.address),
    postgresVersion(postgres),
  ]);
  let stopped: Promise<void> | undefined;
  return {
    amqpUrl: `amqp://${rabbitmq.authority}`,
    databaseUrl: `postgresql://${postgres.authority}/postgres`,
    source: 'docker',
    describe: `RabbitMQ ${brokerVersion}, PostgreSQL ${databaseVersion} (Docker containers)`,
    broker: rabbitmq.control,
    database: postgres.control,
    stop: () => (stopped ??= removeAll([rabbitmq, postgres])),
  };
}

async function startContainer(
  testcontainers: Testcontainers,
  client: ContainerRuntimeClient,
  image: Image,
): Promise<ContainerServer> {
  const password = randomBytes(12).toString('hex');
  const [port = 0] = await freePorts(1);
  let address: Address | undefined;
  const answer = async () => {
    for (const host of address === undefined ? possibleHosts(client) : [address.host]) {
      if ((await image.ask({ host, port })) === undefined) continue;
      address = { host, port };
      return address;
    }
    return undefined;
  };
  const container = await new testcontainers.GenericContainer(image.name)
    .withEnvironment(image.environment(password))
    .withCommand(image.command)
    .withSharedMemorySize(SHARED_MEMORY_BYTES)
    // A port of our choice: one of Docker's would be another after a restart.
    .withExposedPorts({ container: image.port, host: port })
    .withWaitStrategy(new AnswerWaitStrategy(image.server, START_LIMIT_MS, answer))
    .start();
  const { host } = await untilAnswered(image.server, START_LIMIT_MS, answer);
  return {
    authority: `${SERVER_USER}:${password}@${host}:${port}`,
    address: { host, port },
    container,
    control: controlOf(client, container, image.shutdown, () =>
      untilAnswered(image.server, START_LIMIT_MS, answer),
    ),
  };
}

/**
 * Where published ports may be reached. What testcontainers says first: it knows remote engines, and takes the
 * bridge's address if this is a container too; but then the engine may publish on the loopback address only.
 */
function possibleHosts(client: ContainerRuntimeClient): string[] {
  const { host } = client.info.containerRuntime;
  // As a name, `localhost` may be ::1 first, where nothing is published.
  return host === 'localhost' ? ['127.0.0.1'] : [host, '127.0.0.1'];
}

async function postgresVersion({ container }: ContainerServer): Promise<string> {
  const command = 'postgres --version || /usr/lib/postgresql/*/bin/postgres --version';
  const { output } = await container.exec(['sh', '-c', command]).catch(() => ({ output: '' }));
  return /\(PostgreSQL\) (\S+)/.exec(output)?.[1] ?? 'of unknown version';
}

function controlOf(
  client: ContainerRuntimeClient,
  container: StartedTestContainer,
  shutdown: string[] | undefined,
  answer: () => Promise<unknown>,
): ServerControl {
  const handle = client.container.getById(container.getId());
  const running = async () => (await handle.inspect()).State.Running;
  return {
    pid: () => undefined,
    stop: async (mode = 'orderly') => {
      if (!(await running())) return;
      if (mode === 'kill') await handle.kill({ signal: 'SIGKILL' });
      else {
        if (shutdown !== undefined) await container.exec(shutdown);
        // 304: it has stopped by itself, as it was told from within.
        await handle.stop({ t: STOP_LIMIT_S }).catch((error: unknown) => {
          if (!(error instanceof Error && 'statusCode' in error && error.statusCode === 304)) throw error;
        });
      }
      await handle.wait(); // kill returns when the signal is sent
    },
    start: async () => {
      if (!(await running())) await handle.start();
      await answer();
    },
  };
}

async function removeAll(servers: ContainerServer[]): Promise<void> {
  await Promise.all(servers.map(({ container }) => container.stop({ remove: true, removeVolumes: true })));
}

async function haveImages(
  testcontainers: Testcontainers,
  client: ContainerRuntimeClient,
  limit: AbortSignal,
  log: Log,
): Promise<void> {
  for (const { name } of [RABBITMQ, POSTGRES]) {
    if (await client.image.exists(testcontainers.ImageName.fromString(name))) continue;
    log(`pulling ${name} (Docker)`);
    await pull(client, name, limit);
  }
}

/** Not by testcontainers, which cannot be told to give up and takes an error within the stream for success. */
async function pull(client: ContainerRuntimeClient, image: string, limit: AbortSignal): Promise<void> {
  const { dockerode } = client.container;
  const progress = await dockerode.pull(image, { abortSignal: limit });
  await orLimit(
    limit,
    `the pull of ${image}`,
    new Promise<void>((resolve, reject) => {
      dockerode.modem.followProgress(progress, (error) => (error ? reject(error) : resolve()));
    }),
  );
}

/** The container that removes the others when we are gone; testcontainers starts it unless told not to. */
async function haveReaper(
  testcontainers: Testcontainers,
  client: ContainerRuntimeClient,
  limit: AbortSignal,
): Promise<void> {
  try {
    await orLimit(limit, 'its start', testcontainers.getReaper(client));
  } catch (error) {
    const reason = error instanceof Error ? error.message.trim() : String(error);
    throw new Error(
      `testcontainers' reaper does not start (TESTCONTAINERS_RYUK_DISABLED=true does without): ${reason}`,
      { cause: error },
    );
  }
}

async function orLimit<T>(limit: AbortSignal, what: string, work: Promise<T>): Promise<T> {
  limit.throwIfAborted();
  return new Promise((resolve, reject) => {
    const tooLate = () => reject(new Error(`${what} was not done within ${PULL_LIMIT_MS / 1_000} s`));
    limit.addEventListener('abort', tooLate, { once: true });
    work.then(resolve, reject).finally(() => limit.removeEventListener('abort', tooLate));
  });
}
