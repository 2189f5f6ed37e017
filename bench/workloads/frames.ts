/** Commands as frames: packed as the client library packs them when it is busy, or one command to a frame. */
import { deleteLine, saveLine } from '../../src/client/action-line.ts';
import { FRAME_COMMANDS_MAX } from '../../src/contract/limits.ts';
import { partitionOf } from '../../src/contract/partition.ts';
import { documentOf, idOf, OBJECT_TYPE } from './objects.ts';
import { type Command, commandsOf, type WorkloadSpec } from './workload.ts';

export const PARTITIONS = 16;
/** The client's default. */
export const FRAME_BYTES_MAX = 128 * 1_024;

export type Framing = 'full' | 'single';

export interface Frame {
  readonly partition: number;
  readonly body: Buffer;
  readonly commands: number;
}

/** Packs lines into frames by partition. */
export class FramePacker {
  readonly #waiting = Array.from({ length: PARTITIONS }, () => ({ lines: [] as string[], bytes: 0 }));

  /** @returns the frame that became full by it, if one did. */
  add(partition: number, lines: string): Frame | undefined {
    const waiting = this.#waiting[partition];
    if (waiting === undefined) throw new RangeError(`no partition ${partition}`);
    const bytes = Buffer.byteLength(lines);
    const full =
      waiting.lines.length >= FRAME_COMMANDS_MAX ||
      (waiting.lines.length > 0 && waiting.bytes + bytes > FRAME_BYTES_MAX);
    const frame = full ? this.#take(partition) : undefined;
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
    const waiting = this.#waiting[partition];
    const lines = waiting?.lines ?? [];
    this.#waiting[partition] = { lines: [], bytes: 0 };
    return { partition, body: Buffer.from(lines.join('')), commands: lines.length };
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
