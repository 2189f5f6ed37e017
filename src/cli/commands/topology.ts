/** `holdfast topology`: declares, checks or deletes the exchanges and queues of an installation. */
import type { TopologyFinding } from '../../broker/check-topology.ts';
import type { QueueState } from '../../broker/topology.ts';
import type { Names } from '../../contract/names.ts';
import { namesFor } from '../../contract/names.ts';
import type { CommandContext, CommandDefinition } from '../command-definition.ts';
import { CommandFailure, usageFailure } from '../command-failure.ts';
import { EXIT_CODES, type ExitCode } from '../exit-code.ts';
import { plural } from '../number-text.ts';
import { type Broker, withBroker } from '../servers.ts';

interface TopologyFlags {
  readonly check?: boolean;
  readonly delete?: boolean;
  readonly yes?: boolean;
  readonly force?: boolean;
}

type Context = CommandContext<TopologyFlags>;

export const TOPOLOGY: CommandDefinition<TopologyFlags> = {
  name: 'topology',
  summary: 'declare, check or delete the queues',
  description:
    'Declares the exchanges and queues of --prefix for --partitions, beside those of any other number of partitions. ' +
    'Safe to repeat. With --check it only says what is missing or different. With --delete it removes everything of ' +
    'the prefix, of all numbers of partitions, if every queue is empty and nobody consumes.',
  examples: [
    ['holdfast topology --partitions 32', 'declare 32 partitions, beside the 16 there are'],
    ['holdfast topology --check', 'is everything there, and as it should be?'],
    ['holdfast topology --delete --yes --prefix trial', 'leave no trace of the installation "trial"'],
  ],
  exits: ['badInput', 'unavailable'],
  shown: { names: ['amqpUrl', 'prefix', 'partitions', 'connectTimeoutMs'] },
  json: 'choice',
  configure: (command) => {
    command
      .option('--check', 'change nothing; exit 65 if something is missing or different')
      .option('--delete', 'delete all exchanges and queues of the prefix')
      .option('--yes', 'with --delete: really do it')
      .option('--force', 'with --delete: also if messages or consumers are there; the messages are lost');
  },
  run: runTopology,
};

async function runTopology(context: Context): Promise<ExitCode> {
  const { flags, options } = context;
  if (flags.check === true && flags.delete === true) {
    throw usageFailure('--check and --delete exclude each other', 'Use one of them');
  }
  if (flags.delete !== true && (flags.yes === true || flags.force === true)) {
    throw usageFailure('--yes and --force belong to --delete', 'Leave them out, or add --delete');
  }
  const names = namesFor(options.prefix);
  return await withBroker(options, 'topology', async (broker) => {
    if (flags.delete === true) return await deleteAll(context, broker, names);
    return flags.check === true ? await check(context, broker, names) : await declare(context, broker, names);
  });
}

async function declare(
  { options, output, json }: Context,
  { model }: Broker,
  names: Names,
): Promise<ExitCode> {
  const { checkTopology } = await import('../../broker/check-topology.ts');
  const { declareTopology } = await import('../../broker/topology.ts');
  const { partitions } = options;
  const before = await checkTopology(model, names, partitions);
  const different = before.filter(({ state }) => state === 'different');
  if (different.length > 0) {
    throw new CommandFailure(
      EXIT_CODES.configuration,
      `nothing was declared: ${different.map(findingText).join('; ')}`,
      'Let workers drain it, delete it with the tools of RabbitMQ, then run this again; or use another --prefix',
    );
  }
  await declareTopology(model, names, partitions);
  const created = before
    .filter(({ state }) => state === 'missing')
    .map(({ kind, name }) => `${kind} ${name}`);
  if (json) {
    await output.printJson({
      prefix: names.prefix,
      partitions,
      created,
      present: before.length - created.length,
    });
    return EXIT_CODES.ok;
  }
  await output.print(
    ...created.map((name) => `created ${name}`),
    `${plural(partitions, 'partition')} of ${names.prefix}: ${created.length} created, ` +
      `${before.length - created.length} were there already`,
  );
  return EXIT_CODES.ok;
}

async function check({ options, output, json }: Context, { model }: Broker, names: Names): Promise<ExitCode> {
  const { checkTopology } = await import('../../broker/check-topology.ts');
  const { partitions } = options;
  const findings = await checkTopology(model, names, partitions);
  const wrong = findings.filter(({ state }) => state !== 'ok');
  if (json) {
    await output.printJson({ prefix: names.prefix, partitions, ok: wrong.length === 0, findings });
  } else if (wrong.length === 0) {
    await output.print(
      `${plural(partitions, 'partition')} of ${names.prefix}: ${plural(findings.length, 'exchange and queue', 'exchanges and queues')} as they should be`,
    );
  } else {
    await output.print(...wrong.map(findingText));
    output.note(
      `holdfast: ${wrong.length} of ${findings.length} exchanges and queues are not as they should be. ` +
        'Run holdfast topology to declare what is missing; what is different must be deleted first.',
    );
  }
  return wrong.length === 0 ? EXIT_CODES.ok : EXIT_CODES.badInput;
}

/** `queue holdfast.loads is missing`. */
function findingText({ kind, name, state, difference }: TopologyFinding): string {
  return state === 'different'
    ? `${kind} ${name} is different: ${difference ?? 'declared with other arguments'}`
    : `${kind} ${name} is ${state}`;
}

async function deleteAll(context: Context, { model }: Broker, names: Names): Promise<ExitCode> {
  const { flags, output, json } = context;
  const { findPartitionQueues } = await import('../../broker/installed-queues.ts');
  const { deleteTopology, readQueue } = await import('../../broker/topology.ts');
  const partitions = await findPartitionQueues(model, names);
  const shared = await Promise.all(
    [names.loadsQueue, names.deadLetters].map((queue) => readQueue(model, queue)),
  );
  const queues = [...partitions.flatMap((each) => each.queues), ...shared].filter(
    (queue) => queue !== undefined,
  );
  if (flags.force !== true) refuseInUse(queues, names);
  const messages = sum(queues, ({ messages: count }) => count);
  if (flags.yes !== true) {
    throw usageFailure(
      `would delete ${plural(queues.length, 'queue')} of ${names.prefix} with ${plural(messages, 'message')}`,
      'Add --yes to do it',
    );
  }
  await deleteTopology(
    model,
    names,
    partitions.map(({ partitionCount }) => partitionCount),
  );
  const deleted = queues.map(({ queue }) => queue);
  if (json) await output.printJson({ prefix: names.prefix, deleted, messagesLost: messages });
  else {
    const lost = messages === 0 ? '' : ` with ${plural(messages, 'message')}`;
    await output.print(`deleted ${plural(deleted.length, 'queue')} of ${names.prefix}${lost}`);
  }
  return EXIT_CODES.ok;
}

/** n.b. A queue counts only what is ready: what a consumer holds unacknowledged shows only as that consumer. */
function refuseInUse(queues: readonly QueueState[], names: Names): void {
  const filled = queues.filter(({ messages }) => messages > 0);
  const consumed = queues.filter(({ consumers }) => consumers > 0);
  if (consumed.length > 0) {
    throw new CommandFailure(
      EXIT_CODES.badInput,
      `nothing was deleted: ${plural(consumed.length, 'queue')} of ${names.prefix} ${consumed.length === 1 ? 'has' : 'have'} consumers, such as ${consumed[0]?.queue}`,
      'Stop the workers first, or add --force',
    );
  }
  if (filled.length === 0) return;
  throw new CommandFailure(
    EXIT_CODES.badInput,
    `nothing was deleted: ${plural(
      sum(filled, ({ messages }) => messages),
      'message',
    )} in ${plural(filled.length, 'queue')}, such as ${filled[0]?.queue}`,
    'Let workers drain them, or add --force, which loses the messages',
  );
}

function sum<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((total, item) => total + value(item), 0);
}
