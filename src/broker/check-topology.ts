/**
 * Compares what is declared with what should be, and changes nothing. Bindings cannot be asked for over AMQP; declaring
 * again is how they are made sure of.
 */
import type { Channel, ChannelModel } from 'amqplib';
import type { Names } from '../contract/names.ts';
import { BrokerError, toBrokerError } from './broker-error.ts';
import { type ExpectedItem, expectedTopology } from './expected-topology.ts';

/** An exchange or a queue, and how it stands. */
export interface TopologyFinding {
  readonly kind: 'exchange' | 'queue';
  readonly name: string;
  readonly state: 'ok' | 'missing' | 'different';
  /** `different` only: in what, for example `x-queue-type is classic, not quorum`. */
  readonly difference: string | undefined;
}

const NOT_FOUND = 404;
const PRECONDITION_FAILED = 406;

/** One finding for each exchange and queue. @throws BrokerError */
export async function checkTopology(
  model: ChannelModel,
  names: Names,
  partitionCount: number,
): Promise<TopologyFinding[]> {
  const findings: TopologyFinding[] = [];
  for (const item of await expectedTopology(names, partitionCount)) {
    findings.push(await checkItem(model, item));
  }
  return findings;
}

async function checkItem(model: ChannelModel, item: ExpectedItem): Promise<TopologyFinding> {
  const { kind, name } = item;
  const found = (state: TopologyFinding['state'], difference?: string): TopologyFinding => ({
    kind,
    name,
    state,
    difference,
  });
  try {
    // A passive declaration says only whether it exists: RabbitMQ does not compare anything then. Declaring what does
    // exist creates nothing and is refused if it is declared otherwise.
    await onChannel(model, async (channel) => {
      if (item.kind === 'exchange') {
        await channel.checkExchange(name);
        await channel.assertExchange(name, item.type, item.options);
      } else {
        await channel.checkQueue(name);
        await channel.assertQueue(name, item.options);
      }
    });
    return found('ok');
  } catch (error) {
    if (error instanceof BrokerError && error.replyCode === NOT_FOUND) return found('missing');
    if (error instanceof BrokerError && error.replyCode === PRECONDITION_FAILED) {
      return found('different', differenceIn(error.message));
    }
    throw error;
  }
}

/** `inequivalent arg 'x-queue-type' for queue 'q' in vhost '/': received 'quorum' but current is 'classic'`. */
function differenceIn(message: string): string {
  const match =
    /inequivalent arg '(?<what>[^']+)' .*?: received (?<wanted>.+?) but current is (?<present>.+?)"?$/.exec(
      message,
    );
  const { what, wanted = '', present = '' } = match?.groups ?? {};
  return what === undefined ? message : `${what} is ${plain(present)}, not ${plain(wanted)}`;
}

/** `the value '50' of type 'signedint'` -> `50`; `'quorum'` -> `quorum`; `none` stays. */
function plain(value: string): string {
  return /'([^']*)'/.exec(value)?.[1] ?? value;
}

/** Runs something on a channel of its own, which an error closes. */
async function onChannel(model: ChannelModel, run: (channel: Channel) => Promise<void>): Promise<void> {
  const channel = await model.createChannel();
  let reason: BrokerError | undefined;
  channel.on('error', (error) => {
    reason = toBrokerError(error);
  });
  try {
    await run(channel);
  } catch (error) {
    throw reason ?? toBrokerError(error);
  } finally {
    await channel.close().catch(() => undefined);
  }
}
