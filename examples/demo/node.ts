/**
 * An object node: owns users and chat rooms in memory, changes them, and saves them through the client as it goes.
 * Remembers of each object what was last confirmed, which is what must be found afterwards.
 */
import { connect, type HoldfastClient } from 'holdfast';
import {
  CONCURRENT_OPERATIONS,
  type ConfirmedObject,
  DELETES_PERCENT,
  LOADS_PERCENT,
  type NodeMessage,
  OPERATIONS_PER_NODE,
  PARTITIONS,
  ROOMS_PER_NODE,
  USERS_PER_NODE,
} from './plan.ts';

interface DemoObject {
  readonly id: string;
  readonly type: string;
  state: Record<string, unknown>;
  /** One operation of an object at a time, as virtual actors have it. */
  busy: boolean;
  confirmed: ConfirmedObject | undefined;
}

const [node = 'node', url = '', prefix = ''] = process.argv.slice(2);
const counts = { saves: 0, deletes: 0, loads: 0, staleLoads: 0 };
const failures: string[] = [];
const objects = [
  ...Array.from({ length: USERS_PER_NODE }, (_, i) => newUser(i)),
  ...Array.from({ length: ROOMS_PER_NODE }, (_, i) => newRoom(i)),
];

const client = await connect({ url, node, prefix, partitions: PARTITIONS });
client.on('failure', ({ code, outcome }) => failures.push(code ?? outcome));
await run(client);
await client.flush();
await client.close();
const confirmed = objects.flatMap((object) => object.confirmed ?? []);
// The channel to the demo is closed behind the report, not before it.
tell({ kind: 'report', report: { node, ...counts, failures, objects: confirmed } }, () =>
  process.disconnect(),
);

async function run(holdfast: HoldfastClient): Promise<void> {
  let begun = 0;
  let done = 0;
  const operate = async (): Promise<void> => {
    while (begun < OPERATIONS_PER_NODE) {
      const object = objects[Math.floor(Math.random() * objects.length)];
      if (object === undefined || object.busy) continue;
      begun += 1;
      object.busy = true;
      try {
        await operateOn(holdfast, object);
      } catch (error) {
        failures.push(error instanceof Error ? error.message : String(error));
      }
      object.busy = false;
      done += 1;
      if (done % 200 === 0) tell({ kind: 'progress', done });
    }
  };
  await Promise.all(Array.from({ length: CONCURRENT_OPERATIONS }, operate));
}

async function operateOn(holdfast: HoldfastClient, object: DemoObject): Promise<void> {
  const dice = Math.random() * 100;
  const { id, type } = object;
  if (dice < DELETES_PERCENT) {
    const { version } = await holdfast.delete(id);
    object.confirmed = { id, version, document: undefined };
    counts.deletes += 1;
  } else if (dice < DELETES_PERCENT + LOADS_PERCENT) {
    const { version } = await holdfast.load(id, { document: false });
    if (version < (object.confirmed?.version ?? 0)) counts.staleLoads += 1;
    counts.loads += 1;
  } else {
    change(object);
    const document = JSON.stringify(object.state);
    const { version } = await holdfast.save({ id, type, document });
    object.confirmed = { id, version, document };
    counts.saves += 1;
  }
}

function newUser(i: number): DemoObject {
  const id = `${node}-user-${i}`;
  const state = {
    username: id,
    email: `${id}@example.com`,
    score: 0,
    lastSeen: new Date().toISOString(),
    inventory: Array.from({ length: 8 }, (_, slot) => ({
      slot,
      item: `item-${(i * 7 + slot) % 97}`,
      count: slot,
    })),
  };
  return { id, type: 'UserProfile', state, busy: false, confirmed: undefined };
}

function newRoom(i: number): DemoObject {
  const id = `ChatRoom-${node}-${i}`;
  return {
    id,
    type: 'ChatRoom',
    state: { topic: `Room ${i} 💬`, messages: [] },
    busy: false,
    confirmed: undefined,
  };
}

function change({ state }: DemoObject): void {
  state['lastSeen'] = new Date().toISOString();
  if (typeof state['score'] === 'number') state['score'] += Math.ceil(Math.random() * 50);
  const messages = state['messages'];
  if (Array.isArray(messages)) {
    messages.push({
      from: `user-${Math.floor(Math.random() * 1_000)}`,
      text: 'Zdravo, héllo, 你好',
      at: Date.now(),
    });
    if (messages.length > 20) messages.shift();
  }
}

function tell(message: NodeMessage, onSent?: () => void): void {
  process.send?.(message, undefined, undefined, onSent);
}
