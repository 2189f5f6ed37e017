// Runs a RabbitMQ of our own from installed programs: loopback only, its own Erlang port mapper, cookie, ports and
// folder, so that it neither meets nor disturbs another RabbitMQ or Erlang on the machine.

import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePorts } from './free-ports.ts';
import type { InstalledPrograms } from './installed-programs.ts';
import type { Keeper, ServerProgram } from './keeper-client.ts';
import type { PrivateServer } from './private-servers.ts';
import { amqpVersion, connectionProblem } from './server-answers.ts';
import { SERVER_USER, type ServerControl } from './servers.ts';

/** Takes 3 to 5 s on two idle cores; a restart with many queues and a busy machine take longer. */
const START_LIMIT_MS = 90_000;
const PORT_MAPPER_LIMIT_MS = 5_000;
/** Takes about 1 s when idle. After that the data is thrown away anyway, or a test wants to go on. */
const STOP_LIMIT_MS = 20_000;

interface Ports {
  amqp: number;
  distribution: number;
  portMapper: number;
}

export async function startPrivateRabbitmq(
  keeper: Keeper,
  programs: InstalledPrograms,
): Promise<PrivateServer> {
  const folder = join(keeper.folder, 'rabbitmq');
  const [amqp = 0, distribution = 0, portMapper = 0] = await freePorts(3);
  const ports: Ports = { amqp, distribution, portMapper };
  const password = randomBytes(12).toString('hex');
  await writeConfiguration(folder, amqp, password);

  const mapper: ServerProgram = {
    name: 'epmd',
    command: programs.epmd,
    args: ['-port', String(portMapper), '-address', '127.0.0.1'],
    env: baseEnvironment(folder),
    log: join(folder, 'epmd.log'),
    startLimitMs: PORT_MAPPER_LIMIT_MS,
    signals: [{ signal: 'SIGTERM', waitMs: 1_000 }],
    last: true, // RabbitMQ says good-bye to it
  };
  await keeper.start(mapper, async () => {
    const problem = await connectionProblem({ host: '127.0.0.1', port: portMapper }, PORT_MAPPER_LIMIT_MS);
    return problem === undefined ? true : undefined;
  });

  const broker: ServerProgram = {
    name: 'RabbitMQ',
    command: programs.rabbitmqServer,
    args: [],
    env: { ...baseEnvironment(folder), ...brokerEnvironment(folder, ports) },
    log: join(folder, 'console.log'),
    startLimitMs: START_LIMIT_MS,
    signals: [{ signal: 'SIGTERM', waitMs: STOP_LIMIT_MS }],
    deafAtFirst: true,
  };
  const start = () => keeper.start(broker, () => amqpVersion({ host: '127.0.0.1', port: amqp }));
  const control: ServerControl = {
    pid: () => keeper.pid(broker.name),
    stop: (mode = 'orderly') => keeper.stop(broker.name, mode),
    start: async () => {
      if (keeper.pid(broker.name) === undefined) await start();
    },
  };
  const version = await start();
  return {
    url: `amqp://${SERVER_USER}:${password}@127.0.0.1:${amqp}`,
    version,
    control,
    beforeEnd: async () => {},
  };
}

async function writeConfiguration(folder: string, port: number, password: string): Promise<void> {
  await mkdir(join(folder, 'home'), { recursive: true, mode: 0o700 });
  const settings = [
    `listeners.tcp.1 = 127.0.0.1:${port}`,
    `default_user = ${SERVER_USER}`,
    `default_pass = ${password}`,
    // Publishers are blocked below this; small disks and containers must not trigger it.
    'disk_free_limit.absolute = 10MB',
  ];
  await writeFile(join(folder, 'rabbitmq.conf'), `${settings.join('\n')}\n`, { mode: 0o600 });
  await writeFile(join(folder, 'enabled-plugins'), '[].\n');
  await writeFile(join(folder, 'environment.conf'), '');
}

function baseEnvironment(folder: string): Record<string, string> {
  return {
    PATH: process.env['PATH'] ?? '/usr/bin:/bin',
    LANG: 'C.UTF-8',
    HOME: join(folder, 'home'), // of the Erlang cookie
  };
}

function brokerEnvironment(folder: string, ports: Ports): Record<string, string> {
  return {
    // The start script then becomes the Erlang VM instead of staying in front of it, so that our child is the server
    // itself. It is the script's own variable for service managers.
    RUNNING_UNDER_SYSTEMD: 'true',
    ERL_EPMD_ADDRESS: '127.0.0.1',
    ERL_EPMD_PORT: String(ports.portMapper),
    RABBITMQ_ADVANCED_CONFIG_FILE: join(folder, 'advanced.config'),
    RABBITMQ_CONF_ENV_FILE: join(folder, 'environment.conf'), // else the machine's own is read
    RABBITMQ_CONFIG_FILE: join(folder, 'rabbitmq.conf'),
    RABBITMQ_CONFIG_FILES: join(folder, 'conf.d'),
    RABBITMQ_DIST_PORT: String(ports.distribution),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, 'enabled-plugins'),
    RABBITMQ_FEATURE_FLAGS_FILE: join(folder, 'feature-flags'),
    RABBITMQ_GENERATED_CONFIG_DIR: join(folder, 'generated'),
    RABBITMQ_LOG_BASE: join(folder, 'log'),
    RABBITMQ_MNESIA_BASE: join(folder, 'data'),
    RABBITMQ_NODENAME: `holdfast-${randomBytes(6).toString('hex')}@localhost`,
    RABBITMQ_PID_FILE: join(folder, 'pid'),
    RABBITMQ_PLUGINS_EXPAND_DIR: join(folder, 'plugins'),
    RABBITMQ_SCHEMA_DIR: join(folder, 'schema'),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1}',
  };
}
