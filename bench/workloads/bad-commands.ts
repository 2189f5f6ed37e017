/**
 * The bad ones among good commands, of the kinds that a publisher can cause by one message and that cost a letter: invalid,
 * unstorable, refused by the database only, in conflict, in the wrong partition, too large, and whole frames that cannot be
 * read.
 */
import { DOCUMENT_BYTES_DEFAULT } from '../../src/contract/limits.ts';
import { partitionOf } from '../../src/contract/partition.ts';
import { type Frame, FramePacker, linesOf, PARTITIONS } from './frames.ts';
import { documentOf, idOf, OBJECT_TYPE } from './objects.ts';
import { commandsOf, type WorkloadSpec } from './workload.ts';

/** Refused by a constraint that the benchmark adds to the table, so that only the database finds it. */
export const REFUSED_TYPE = 'Refused';

export interface PoisonFrame extends Frame {
  /** The AMQP `type` property, where it is not the usual one. */
  readonly type?: string;
}

interface Neighbour {
  readonly id: string;
  readonly version: number;
  readonly partition: number;
  /** Tells the bad ones apart. */
  readonly number: number;
}

/** Lines of one bad command, given the good command just before it in the same partition. */
type Bad = (neighbour: Neighbour) => string;

const save = (id: string, version: number, document: string, more = '', type = OBJECT_TYPE): string =>
  `{"save":{"id":"${id}","type":"${type}","version":${version}${more}}}\n${document}\n`;

/** An id that no good command has, in the wanted partition. */
function ownId({ partition, number }: Neighbour, offset = 0): string {
  for (let attempt = 0; ; attempt += 1) {
    const id = `bad-${number}-${attempt}`;
    if (partitionOf(id, PARTITIONS) === (partition + offset) % PARTITIONS) return id;
  }
}

const IN_FRAME: readonly Bad[] = [
  (at) => save(ownId(at), 0, '{}'),
  (at) => save(ownId(at), at.version, '{}', ',"ifVersoin":3'),
  (at) => save(ownId(at), at.version, '[1]'),
  (at) => save(ownId(at), at.version, '{"a":}'),
  (at) => save(ownId(at), at.version, String.raw`{"a":"\u0000"}`),
  (at) => save(ownId(at), at.version, String.raw`{"a":"\ud800"}`),
  (at) => save(ownId(at), at.version, '{"a":1e200000}'),
  (at) => save(ownId(at, 1), at.version, '{}'),
  // Stored with other content.
  (at) => save(at.id, at.version, '{"other":true}'),
  // There is no such object.
  (at) => save(ownId(at), at.version, '{}', ',"ifVersion":7'),
  (at) => save(ownId(at), at.version, documentOf(at.number, 1, 500), '', REFUSED_TYPE),
  (at) => save(ownId(at), at.version, documentOf(at.number, 2, 500), '', REFUSED_TYPE),
];

/** A byte more than a document may have. */
const TOO_LARGE = `{"a":"${'x'.repeat(DOCUMENT_BYTES_DEFAULT - 7)}"}`;

const WHOLE_FRAMES: readonly ((partition: number) => PoisonFrame)[] = [
  (partition) => ({ partition, body: Buffer.from('not json\n'), commands: 1 }),
  (partition) => ({ partition, body: Buffer.from([0x7b, 0xff, 0x0a]), commands: 1 }),
  (partition) => ({ partition, body: Buffer.from('{}\n'), commands: 1, type: 'something.else.v9' }),
  (partition) => ({ partition, body: Buffer.from(save('too-large', 1, TOO_LARGE)), commands: 1 }),
];

/** One in so many of the bad ones is a frame of its own. */
const WHOLE_FRAME_EACH = 10;

/** Full frames of the workload with `bad` bad ones spread evenly over them. */
export function* poisonedFramesOf(spec: WorkloadSpec, bad: number): Generator<PoisonFrame> {
  const packer = new FramePacker();
  let number = 0;
  for (const command of commandsOf(spec)) {
    const id = idOf(command.index);
    const partition = partitionOf(id, PARTITIONS);
    const frame = packer.add(partition, linesOf(command, spec));
    if (frame !== undefined) yield frame;
    // The n-th stands in the middle of the n-th part.
    const position = command.index + 1;
    if (number >= bad || position < ((number + 0.5) * spec.commands) / bad) continue;
    if (number % WHOLE_FRAME_EACH === 0) {
      const whole = WHOLE_FRAMES[(number / WHOLE_FRAME_EACH) % WHOLE_FRAMES.length];
      if (whole !== undefined) yield whole(partition);
    } else {
      const make = IN_FRAME[number % IN_FRAME.length];
      const lines = make?.({ id, version: command.version, partition, number }) ?? '';
      const next = packer.add(partition, lines);
      if (next !== undefined) yield next;
    }
    number += 1;
  }
  yield* packer.rest();
}
