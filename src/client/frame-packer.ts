/** Takes commands off a queue into a frame, in order, as many as its limits allow. */
import type { Fifo } from './fifo.ts';
import type { Outgoing } from './outgoing.ts';

export interface FrameLimits {
  readonly frameCommandsMax: number;
  readonly frameBytesMax: number;
  readonly documentBytesMax: number;
  readonly replyBytesMax: number;
}

/** Most loads in one frame, however small documents are: all of them come in one reply. */
const FRAME_LOADS_MAX = 64;

/**
 * All documents of a frame of loads come in one reply, which is put together in memory. Half of the bound is for the
 * replies of other frames; with the defaults, documents of 1 MiB and 128 MiB of replies, these are 64 loads.
 */
function loadsMaxOf({ documentBytesMax, replyBytesMax }: FrameLimits): number {
  return Math.max(1, Math.min(FRAME_LOADS_MAX, Math.floor(replyBytesMax / (2 * documentBytesMax))));
}

/**
 * The commands of the next frame; none if the queue is empty or its first command may not go yet.
 *
 * @param isBlocked whether the command must wait for a frame that is on its way.
 * @param onDropped told of each command taken off that was settled before it was sent.
 */
export function packCommands(
  queue: Fifo<Outgoing>,
  limits: FrameLimits,
  isBlocked: (command: Outgoing) => boolean,
  onDropped: () => void,
): Outgoing[] {
  const { frameCommandsMax, frameBytesMax } = limits;
  const loadsMax = loadsMaxOf(limits);
  const commands: Outgoing[] = [];
  let bytes = 0;
  let loads = 0;
  for (;;) {
    const command = queue.peek();
    if (command === undefined) break;
    if (command.settled) {
      queue.shift();
      onDropped();
      continue;
    }
    if (commands.length > 0) {
      if (commands.length === frameCommandsMax || bytes + command.bytes > frameBytesMax) break;
      // A list is alone in its frame.
      if (command.action === 'list') break;
      if (command.action === 'load' && loads === loadsMax) break;
    }
    if (isBlocked(command)) break;
    queue.shift();
    commands.push(command);
    bytes += command.bytes;
    if (command.action === 'load') loads += 1;
    if (command.action === 'list') break;
  }
  return commands;
}
