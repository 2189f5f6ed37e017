/** Replies, read as anybody can who knows the wire format. */
import type { WriteOutcome } from '../oracle/history.ts';

export interface Line {
  readonly id?: string;
  readonly outcome: WriteOutcome | 'found' | 'absent';
  readonly version?: number;
  readonly epoch?: number;
  readonly code?: string;
  readonly document?: string;
}

/** The lines of a whole reply, each with the document that follows it. */
export function readLines(text: string): Line[] {
  const texts = text.split('\n').filter((line) => line !== '');
  const lines: Line[] = [];
  for (let at = 0; at < texts.length; at += 1) {
    const line = JSON.parse(texts[at] ?? '') as Line;
    if (line.outcome === 'found') {
      at += 1;
      lines.push({ ...line, document: texts[at] ?? '' });
    } else {
      lines.push(line);
    }
  }
  return lines;
}
