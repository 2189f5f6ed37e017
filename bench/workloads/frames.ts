/** Commands as frames: packed as the client library packs them when it is busy, or one command to a frame. */
import { deleteLine, saveLine } from '../../src/client/action-line.ts';
import { FRAME_COMMANDS_MAX } from '../../src/contract/limits.ts';
import { partitionOf } from '../../src/contract/partition.ts';
import { documentOf, idOf, OBJECT_TYPE } from './objects.ts';
import { type Command, commandsOf, type WorkloadSpec } from './workload.ts';

export const PARTITIONS = 16;
/** The client's default. */
const FRAME_BYTES_MAX = 128 * 1_024;

export type Framing = 'full' | 'single';

export interface Frame {
  readonly partition: number;
  readonly body: Buffer;
  readonly commands: number;
}

/** Packs lines into frames by partition. */
export class FramePacker {
  readonly #waiting = Array.from({ length: PARTITIONS }, () => ({ lines: [] as string[], bytes: 0 }));

  /** @returns the frame that had no room for it, if one was waiting. */
  add(partition: number, lines: string): Frame | undefined {
    const bytes = Buffer.byteLength(lines);
    const { lines: before, bytes: bytesBefore } = this.#at(partition);
    const full =
      before.length >= FRAME_COMMANDS_MAX || (before.length > 0 && bytesBefore + bytes > FRAME_BYTES_MAX);
    const frame = full ? this.#take(partition) : undefined;
    const waiting = this.#at(partition);
    waiting.lines.push(lines);
    waiting.bytes += bytes;
    return frame;
  }

  /** What is left. */
  *rest(): Generator<Frame> {
    for (const [partition, { lines }] of this.#waiting.entries()) {
      if (lines.length > 0) yield this.#take(partition);
    }
  }

  #take(partition: number): Frame {
    const { lines } = this.#at(partition);
    this.#waiting[partition] = { lines: [], bytes: 0 };
    return { partition, body: Buffer.from(lines.join('')), commands: lines.length };
  }

  #at(partition: number): { lines: string[]; bytes: number } {
    const waiting = this.#waiting[partition];
    if (waiting === undefined) throw new RangeError(`there is no partition ${partition}`);
    return waiting;
  }
}

export function linesOf({ action, index, version }: Command, spec: WorkloadSpec): string {
  const fields = { id: idOf(index), version, epoch: 0, ifVersion: undefined };
  if (action === 'delete') return deleteLine(fields);
  const line = saveLine({ ...fields, type: OBJECT_TYPE, nextRcseq: undefined });
  return `${line}${documentOf(index, spec.revision, spec.documentBytes)}\n`;
}

export function* framesOf(spec: WorkloadSpec, framing: Framing): Generator<Frame> {
  const packer = new FramePacker();
  for (const command of commandsOf(spec)) {
    const partition = partitionOf(idOf(command.index), PARTITIONS);
    const lines = linesOf(command, spec);
    if (framing === 'single') {
      yield { partition, body: Buffer.from(lines), commands: 1 };
      continue;
    }
    const frame = packer.add(partition, lines);
    if (frame !== undefined) yield frame;
  }
  yield* packer.rest();
}
