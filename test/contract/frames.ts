/** Frames to test with, and short ways to look at what becomes of them. */
import { type DecodeOptions, decodeFrame, type Entry } from '../../src/contract/frame.ts';
import { COMMANDS_TYPE } from '../../src/contract/names.ts';

export const SAVE = '{"save":{"id":"s","type":"T","version":1}}';
export const DELETE = '{"delete":{"id":"d","version":2}}';
export const LOAD = '{"load":{"id":"l"}}';
export const LIST = '{"list":{"type":"T"}}';
export const CLAIM = '{"load":{"id":"c","claim":"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"}}';

export function frame(...lines: string[]): Buffer {
  return Buffer.from(lines.map((line) => `${line}\n`).join(''));
}

export function decode(body: Buffer | string, options: Partial<DecodeOptions> = {}): Entry[] {
  return decodeFrame(COMMANDS_TYPE, Buffer.from(body), { place: 'partition', ...options });
}

/** What became of each command: its action if valid, else the code. */
export function outcomes(entries: readonly Entry[]): string[] {
  return entries.map((entry) => entry.command?.action ?? entry.rejected?.error.code ?? 'neither');
}

export function documentOf(body: Buffer, entry: Entry | undefined): string | undefined {
  return entry && body.toString('utf8', entry.documentStart, entry.documentEnd);
}
