/** Workloads: which commands, in which order. A spec is plain data, so that a child process makes the same commands. */
import { BASE_VERSION } from './objects.ts';

export interface WorkloadSpec {
  /**
   * `new`: every object once, none exists. `updates`: every object once, all exist. `hot`: 1,000 objects by Zipf's law.
   * `mix`: 10 % deletes, 45 % updates, 45 % new, every object once. `scattered`: updates all over a large table.
   */
  readonly kind: 'new' | 'updates' | 'hot' | 'mix' | 'scattered';
  readonly commands: number;
  readonly documentBytes: number;
  /** Objects that are there before the clock starts: indexes 0 to this. */
  readonly seedRows: number;
  /** Higher from measurement to measurement on one table. */
  readonly revision: number;
}

export interface Command {
  readonly action: 'save' | 'delete';
  readonly index: number;
  readonly version: number;
}

const HOT_OBJECTS = 1_000;
/** Above any number of commands, so that a later revision's versions are all higher. */
const VERSIONS_PER_REVISION = 10_000_000;
/** Odd and no multiple of 5, so it visits every row of a table of 2^a 5^b rows once before it repeats. */
const SCATTER_STEP = 1_618_033;
const MIX_CYCLE = 20;
const MIX_DELETES = 2;
const MIX_EXISTING = 11;

export function workload(
  kind: WorkloadSpec['kind'],
  commands: number,
  documentBytes: number,
  revision = 1,
): WorkloadSpec {
  const seedRows =
    kind === 'updates'
      ? commands
      : kind === 'mix'
        ? Math.ceil((commands * MIX_EXISTING) / MIX_CYCLE) + MIX_CYCLE
        : 0;
  return { kind, commands, documentBytes, seedRows, revision };
}

/** The commands in the order in which they are published. */
export function* commandsOf(spec: WorkloadSpec): Generator<Command> {
  const firstVersion = BASE_VERSION + spec.revision * VERSIONS_PER_REVISION;
  const pick = indexPicker(spec);
  for (let i = 0; i < spec.commands; i += 1) {
    const deletes = spec.kind === 'mix' && i % MIX_CYCLE < MIX_DELETES;
    yield { action: deletes ? 'delete' : 'save', index: pick(i), version: firstVersion + i };
  }
}

function indexPicker({ kind, seedRows, revision, commands }: WorkloadSpec): (i: number) => number {
  switch (kind) {
    case 'new':
      return (i) => i;
    case 'updates':
    case 'scattered':
      return (i) => ((revision * commands + i) * SCATTER_STEP) % seedRows;
    case 'hot':
      return zipf(HOT_OBJECTS);
    case 'mix':
      return (i) => mixed(i, seedRows);
    default:
      return kind satisfies never;
  }
}

/** Of 20 commands, 11 go to objects that exist, each to another, and 9 to new ones. */
function mixed(i: number, seedRows: number): number {
  const cycle = Math.floor(i / MIX_CYCLE);
  const place = i % MIX_CYCLE;
  return place < MIX_EXISTING
    ? cycle * MIX_EXISTING + place
    : seedRows + cycle * (MIX_CYCLE - MIX_EXISTING) + place - MIX_EXISTING;
}

/** Zipf's law with exponent 1: the hottest of 1,000 objects gets 13 % of the commands. Always the same sequence. */
function zipf(objects: number): () => number {
  const cumulative = new Float64Array(objects);
  let sum = 0;
  for (let rank = 0; rank < objects; rank += 1) {
    sum += 1 / (rank + 1);
    cumulative[rank] = sum;
  }
  let state = 42;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    const target = (state / 2 ** 32) * sum;
    let low = 0;
    let high = objects - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((cumulative[middle] ?? 0) <= target) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}

export interface Expected {
  readonly rows: number;
  /** Of the versions, each less the base: a number that no lost, doubled or stale row leaves as it is. */
  readonly versionSum: number;
}

/** What the table must hold at the end. */
export function expectedOf(spec: WorkloadSpec): Expected {
  const versions = new Map<number, number>();
  for (let index = 0; index < spec.seedRows; index += 1) versions.set(index, 0);
  for (const { action, index, version } of commandsOf(spec)) {
    if (action === 'delete') versions.delete(index);
    else versions.set(index, version - BASE_VERSION);
  }
  let versionSum = 0;
  for (const version of versions.values()) versionSum += version;
  return { rows: versions.size, versionSum };
}
