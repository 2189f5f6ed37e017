// What the ladder hands out: a RabbitMQ and a PostgreSQL that answer, and how to control and stop them.

/** One server that the ladder started, for tests that take it away and bring it back. */
export interface ServerControl {
  /** The server's main process; undefined while it is stopped, and always in a container. */
  pid(): number | undefined;
  /**
   * Stops the server and waits until its processes are gone. `orderly` (the default) lets it finish as its service
   * manager would; `kill` takes it away as a crash does. Nothing happens if it is stopped already.
   *
   * n.b. A RabbitMQ killed within about a second of the declaration of a quorum queue comes back without what was
   * confirmed to it: 3.10 and 4.0 with a queue that never gets a leader, 4.3 with an empty one (seen with each). It
   * syncs its directory of queues only later (rabbitmq/rabbitmq-server#15725). Let queues age before a kill.
   */
  stop(mode?: 'orderly' | 'kill'): Promise<void>;
  /** Starts it again on the same port with the same data, and returns when it answers. */
  start(): Promise<void>;
}

/** Where servers came from: the two URLs, Docker, or installed programs. */
export type ServersSource = 'given' | 'docker' | 'installed';

export interface Servers {
  amqpUrl: string;
  /** Points at a maintenance database, whose user may CREATE DATABASE. */
  databaseUrl: string;
  source: ServersSource;
  /** One line for people: versions and where they came from. */
  describe: string;
  /** Undefined where the servers are somebody else's (`given`). */
  broker: ServerControl | undefined;
  database: ServerControl | undefined;
  /** Stops and removes what was started. Safe to call twice. */
  stop(): Promise<void>;
}

/** Takes one line of progress, without a line end. */
export type Log = (line: string) => void;

/** The user that servers are given where we may choose one: a name that says whose they are. */
export const SERVER_USER = 'holdfast';
