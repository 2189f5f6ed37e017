/** What benchmarks measure with: that all contenders are given the same commands, and what the table must hold then. */
import { describe, expect, it } from 'vitest';
import { poisonedFramesOf } from '../../bench/workloads/bad-commands.ts';
import { type Framing, framesOf, PARTITIONS } from '../../bench/workloads/frames.ts';
import { documentOf, idOf } from '../../bench/workloads/objects.ts';
import { type PlainMessage, plainMessagesOf } from '../../bench/workloads/plain-messages.ts';
import { commandsOf, expectedOf, type WorkloadSpec, workload } from '../../bench/workloads/workload.ts';
import { decodeFrame } from '../../src/contract/frame.ts';
import { COMMANDS_TYPE } from '../../src/contract/names.ts';
import { partitionOf } from '../../src/contract/partition.ts';

const KINDS = ['new', 'updates', 'hot', 'mix'] as const;
/** Enough that frames become full. */
const COMMANDS = 2_000;
const DOCUMENT_BYTES = 2_000;

interface Written {
  readonly action: string;
  readonly id: string;
  readonly version: number;
  readonly document: string;
}

function framed(spec: WorkloadSpec, framing: Framing): Written[] {
  return [...framesOf(spec, framing)].flatMap(({ partition, body, commands }) => {
    const entries = decodeFrame(COMMANDS_TYPE, body, { place: 'partition' });
    expect(entries).toHaveLength(commands);
    return entries.map(({ command, documentStart, documentEnd }) => {
      if (command === undefined || command.action === 'load') throw new Error('not a write');
      const { action, id, version } = command;
      expect(partitionOf(id, PARTITIONS)).toBe(partition);
      return { action, id, version, document: body.toString('utf8', documentStart, documentEnd) };
    });
  });
}

function plain(spec: WorkloadSpec): Written[] {
  return [...plainMessagesOf(spec)].map((body) => {
    const { op, id, version, document } = JSON.parse(body.toString()) as PlainMessage;
    return { action: op, id, version, document: document === undefined ? '' : JSON.stringify(document) };
  });
}

const byVersion = (commands: readonly Written[]): Written[] =>
  commands.toSorted((a, b) => a.version - b.version);

describe('a workload', () => {
  it.each(KINDS)('gives every contender the same commands, whatever the framing (%s)', (kind) => {
    const spec = workload(kind, COMMANDS, DOCUMENT_BYTES);
    const commands = plain(spec);
    expect(commands).toHaveLength(COMMANDS);
    expect(byVersion(framed(spec, 'full'))).toEqual(commands);
    expect(framed(spec, 'single')).toEqual(commands);
  });

  it.each(KINDS)('knows what the table must hold in the end (%s)', (kind) => {
    const spec = workload(kind, COMMANDS, DOCUMENT_BYTES);
    const ids = new Set(Array.from({ length: spec.seedRows }, (_, index) => idOf(index)));
    for (const { action, id } of plain(spec)) {
      if (action === 'delete') ids.delete(id);
      else ids.add(id);
    }
    expect(expectedOf(spec).rows).toBe(ids.size);
  });

  it('deletes a tenth and touches every object once in the mix', () => {
    const commands = [...commandsOf(workload('mix', COMMANDS, DOCUMENT_BYTES))];
    expect(commands.filter(({ action }) => action === 'delete')).toHaveLength(COMMANDS / 10);
    expect(new Set(commands.map(({ index }) => index)).size).toBe(COMMANDS);
  });

  it('scatters updates over distinct rows, others each time', () => {
    const seen = [1, 2, 3].flatMap((revision) => {
      const spec = { ...workload('scattered', 1_000, 500, revision), seedRows: 20_000 };
      return Array.from(commandsOf(spec), ({ index }) => index);
    });
    expect(new Set(seen).size).toBe(3_000);
    expect(Math.max(...seen)).toBeLessThan(20_000);
  });

  it.each([500, 2_000, 20_000])('has documents of exactly %d bytes', (bytes) => {
    for (const index of [0, 7, 123_456]) {
      const text = documentOf(index, 3, bytes);
      expect(Buffer.byteLength(text)).toBe(bytes);
      expect(JSON.parse(text)).toMatchObject({ username: `user-${index}`, score: 3 });
    }
  });
});

describe('a poisoned workload', () => {
  it('has all good commands and so many more', () => {
    const spec = workload('new', COMMANDS, DOCUMENT_BYTES);
    const frames = [...poisonedFramesOf(spec, 200)];
    expect(frames.reduce((sum, { commands }) => sum + commands, 0)).toBe(COMMANDS + 200);
  });
});
