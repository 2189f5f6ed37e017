/** Frames whose answers are due, by message id; and for a while those whose answers nobody waits for any more. */
import type { OutgoingFrame } from './outgoing-frame.ts';

/**
 * Most frames kept after the callers of all their commands gave up. A write in them may still fail, and somebody should
 * hear of that. They hold no documents; beyond this many the oldest is forgotten.
 */
const LATE_FRAMES_MAX = 256;

export class AwaitedFrames {
  readonly #awaited = new Map<string, OutgoingFrame>();
  readonly #late = new Map<string, OutgoingFrame>();

  get size(): number {
    return this.#awaited.size;
  }

  /** A frame is about to be sent, anew or again. */
  add(frame: OutgoingFrame): void {
    this.#awaited.set(frame.messageId, frame);
  }

  get(messageId: string): OutgoingFrame | undefined {
    return this.#awaited.get(messageId) ?? this.#late.get(messageId);
  }

  /** Its reply came, or never will. */
  remove(frame: OutgoingFrame): void {
    this.#awaited.delete(frame.messageId);
    this.#late.delete(frame.messageId);
  }

  /** It is confirmed, and nobody waits for its reply any more. */
  retire(frame: OutgoingFrame): void {
    this.#awaited.delete(frame.messageId);
    if (!frame.awaitsWrites) return;
    this.#late.set(frame.messageId, frame);
    if (this.#late.size <= LATE_FRAMES_MAX) return;
    for (const oldest of this.#late.keys()) {
      this.#late.delete(oldest);
      return;
    }
  }

  /** The frames whose answers somebody waits for, oldest first. */
  frames(): OutgoingFrame[] {
    return [...this.#awaited.values()];
  }

  /** Replies to what was sent so far will never come. */
  forgetLate(): void {
    this.#late.clear();
  }

  clear(): void {
    this.#awaited.clear();
    this.#late.clear();
  }
}
