/** Looks at RabbitMQ: reachable, of a version that works, rights, queues, consumers. */
import type { TopologyFinding } from '../../broker/check-topology.ts';
import type { PartitionQueues } from '../../broker/installed-queues.ts';
import type { RightsProbe } from '../../broker/probe-rights.ts';
import type { Options } from '../../config/options.ts';
import { namesFor } from '../../contract/names.ts';
import { redactUrl } from '../../telemetry/redact-url.ts';
import { CommandFailure, messageOf } from '../command-failure.ts';
import { EXIT_CODES } from '../exit-code.ts';
import { plural } from '../number-text.ts';
import { type Broker, openBroker, withBroker } from '../servers.ts';
import { type Check, CheckList } from './check.ts';

/** At-least-once dead-lettering of quorum queues came with it. */
const VERSION_MIN: readonly [major: number, minor: number] = [3, 10];

/** How long a message may take before an alarm is the likely reason. */
const PROBE_TIMEOUT_MS = 3_000;

/** Never throws. */
export async function checkBroker(options: Options): Promise<Check[]> {
  const list = new CheckList('RabbitMQ');
  const startedAt = performance.now();
  let broker: Broker;
  try {
    broker = await openBroker(options, 'doctor');
  } catch (error) {
    noteUnreachable(list, error);
    return list.checks;
  }
  try {
    const openedMs = Math.round(performance.now() - startedAt);
    list.ok('reachable', `${redactUrl(options.amqpUrl)} in ${openedMs} ms`);
    await look(broker, options, list);
  } catch (error) {
    noteUnreachable(list, error);
  } finally {
    await broker.close();
  }
  return list.checks;
}

/** Wrong credentials are a failure that waiting does not mend; a server that is away is not. */
export function noteUnreachable(list: CheckList, error: unknown): void {
  const advice = error instanceof CommandFailure ? error.advice : 'Look into the log of the server';
  if (error instanceof CommandFailure && error.exitCode === EXIT_CODES.configuration) {
    list.fail('reachable', messageOf(error), advice);
  } else {
    list.unreachable('reachable', messageOf(error), advice);
  }
}

async function look({ model }: Broker, options: Options, list: CheckList): Promise<void> {
  const [{ checkTopology }, { findPartitionQueues }, { probeRights }] = await Promise.all([
    import('../../broker/check-topology.ts'),
    import('../../broker/installed-queues.ts'),
    import('../../broker/probe-rights.ts'),
  ]);
  const names = namesFor(options.prefix);
  judgeVersion(model.connection.serverProperties['version'] ?? '', list);
  // On a connection of its own: one that has published is not read any further while an alarm lasts.
  const rights = await withBroker(options, 'doctor', (probing) =>
    probeRights(probing.model, names, PROBE_TIMEOUT_MS),
  );
  judgeRights(rights, list, options);
  if (rights.refused !== undefined) return;
  judgeTopology(await checkTopology(model, names, options.partitions), list);
  judgeQueues(await findPartitionQueues(model, names), list, options);
}

export function judgeVersion(version: string, list: CheckList): void {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (!(major > VERSION_MIN[0] || (major === VERSION_MIN[0] && minor >= VERSION_MIN[1]))) {
    list.fail(
      'version',
      version === '' ? 'unknown' : version,
      `Holdfast needs RabbitMQ ${VERSION_MIN.join('.')} or newer, for dead letters that cannot be lost`,
    );
  } else if (major < 4) {
    list.ok(
      'version',
      `${version}; before 4.0 workers rebalance the partitions among themselves, from 4.0 on RabbitMQ does`,
    );
  } else {
    list.ok('version', version);
  }
}

const RIGHTS = {
  configure: 'declare queues',
  write: 'publish',
  read: 'consume',
} as const;

export function judgeRights(
  { refused, blocked, roundTripMs }: RightsProbe,
  list: CheckList,
  options: Options,
): void {
  const user = decodeURIComponent(new URL(options.amqpUrl).username) || 'guest';
  if (refused !== undefined) {
    const { right, error } = refused;
    list.fail(
      'rights',
      `user ${user} may not ${RIGHTS[right]}: ${messageOf(error)}`,
      `Give it the right to ${right}: rabbitmqctl set_permissions -p <vhost> ${user} "^${options.prefix}" ".*" "^${options.prefix}"`,
    );
  } else if (blocked) {
    list.warn(
      'rights',
      `RabbitMQ took no message within ${PROBE_TIMEOUT_MS / 1_000} s: an alarm blocks everybody who publishes`,
      'Free memory or disk on its machine; rabbitmqctl status lists alarms',
    );
  } else {
    list.ok(
      'rights',
      `user ${user} may declare, publish and consume; a message took ${Math.round(roundTripMs ?? 0)} ms`,
    );
  }
}

function judgeTopology(findings: readonly TopologyFinding[], list: CheckList): void {
  const different = findings.filter(({ state }) => state === 'different');
  const missing = findings.filter(({ state }) => state === 'missing');
  for (const { kind, name, difference } of different) {
    list.fail(
      'queues',
      `${kind} ${name} is different: ${difference ?? 'other arguments'}`,
      'Drain and delete it, then run holdfast topology; or use another --prefix',
    );
  }
  if (missing.length > 0) {
    const first = missing[0]?.name;
    list.fail(
      'queues',
      `${missing.length} of ${findings.length} exchanges and queues are missing, such as ${first}`,
      'Run holdfast topology, or start a worker without --no-declare',
    );
  }
  if (different.length + missing.length > 0) return;
  list.ok('queues', `${findings.length} exchanges and queues, types and arguments as they should be`);
}

export function judgeQueues(
  found: readonly PartitionQueues[],
  list: CheckList,
  { partitions }: Options,
): void {
  for (const { partitionCount, queues } of found) {
    const waiting = queues.reduce((sum, queue) => sum + (queue?.messages ?? 0), 0);
    const idle = queues.filter((queue) => queue?.consumers === 0).length;
    const waits = plural(waiting, 'message waits', 'messages wait');
    if (partitionCount !== partitions) {
      if (waiting === 0)
        list.ok(`${partitionCount} partitions`, 'queues of another number of partitions; empty');
      else if (idle === 0)
        list.ok(`${partitionCount} partitions`, `queues of another number of partitions; ${waits}`);
      else {
        list.warn(
          `${partitionCount} partitions`,
          `queues of another number of partitions: ${waits}, and nobody consumes ${plural(idle, 'queue')}`,
          `Run a worker with --partitions ${partitionCount} until they are empty`,
        );
      }
    } else if (idle > 0) {
      list.warn(
        'consumers',
        `nobody consumes ${idle} of ${partitionCount} queues; ${waits}`,
        'Start a worker: holdfast worker',
      );
    } else {
      list.ok('consumers', `every queue is consumed; ${waits}`);
    }
  }
}
