/**
 * The folder of a run's history, and the reading of it, object by object. The rows of all objects do not fit into memory
 * in a long run, so the objects are read in groups, each in one pass over the files.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { AuditEntry, Letter, ObjectHistory, StoredRow, StoredTombstone } from '../oracle/history.ts';
import { objectId } from '../workload/objects.ts';
import {
  COLUMN_COUNT,
  COLUMNS,
  KINDS,
  outcomeOf,
  type Row,
  storedEpochOf,
  toLoad,
  toWrite,
} from './columns.ts';
import { readRows } from './row-file.ts';

/** seq, object, change, version, epoch, nonce, time of the change, number of the worker. */
export const AUDIT_COLUMN_COUNT = 8;
const AUDIT_CHANGES: readonly AuditEntry['change'][] = ['row', 'gone', 'tombstone', 'tombstone-gone'];

/** What is stored at the end: object, 0 row or 1 tombstone, version, epoch, nonce, intact. */
export const STORED_COLUMN_COUNT = 6;

export const FILES = {
  audit: 'audit.rows',
  stored: 'stored.rows',
  letters: 'letters.ndjson',
  events: (process: string) => `events-${process}.rows`,
} as const;

/** A letter with its object; one line of the letters file. */
export interface RecordedLetter extends Letter {
  readonly object: number;
}

/** Rows held at once: about 112 bytes each. */
const GROUP_ROWS_MAX = 1_500_000;

interface Group {
  readonly events: Map<number, Float64Array[]>;
  readonly audit: Map<number, AuditEntry[]>;
  readonly rows: Map<number, StoredRow>;
  readonly tombstones: Map<number, StoredTombstone>;
}

/** Yields every object that occurs in the folder. */
export function* readHistories(folder: string): Generator<ObjectHistory> {
  const eventFiles = readdirSync(folder)
    .filter((file) => file.startsWith('events-'))
    .map((file) => join(folder, file));
  const rows = eventFiles.reduce((sum, file) => sum + statSync(file).size / 8 / COLUMN_COUNT, 0);
  const groups = Math.max(1, Math.ceil(rows / GROUP_ROWS_MAX));
  const letters = readLetters(folder);
  const repliesLost = new Map<number, number[]>();
  for (const file of eventFiles) readRepliesLost(file, repliesLost);
  for (let group = 0; group < groups; group += 1) {
    const isOwn = (object: number): boolean => object % groups === group;
    const read = readGroup(folder, eventFiles, isOwn);
    const objects = new Set([
      ...read.events.keys(),
      ...read.audit.keys(),
      ...read.rows.keys(),
      ...read.tombstones.keys(),
      ...[...letters.keys()].filter(isOwn),
    ]);
    for (const object of objects) {
      yield { ...toHistory(object, read), letters: letters.get(object) ?? [], repliesLost };
    }
  }
}

function readGroup(folder: string, eventFiles: readonly string[], isOwn: (object: number) => boolean): Group {
  const group: Group = { events: new Map(), audit: new Map(), rows: new Map(), tombstones: new Map() };
  for (const file of eventFiles) {
    readRows(file, COLUMN_COUNT, (row) => {
      const object = row[COLUMNS.object] ?? -1;
      if (object >= 0 && isOwn(object)) push(group.events, object, row.slice());
    });
  }
  ifExists(join(folder, FILES.audit), (file) =>
    readRows(
      file,
      AUDIT_COLUMN_COUNT,
      ([seq = 0, object = 0, change = 0, version = 0, epoch = 0, nonce = 0, at = 0, worker = 0]) => {
        if (!isOwn(object)) return;
        push(group.audit, object, {
          seq,
          change: AUDIT_CHANGES[change] ?? 'row',
          version,
          epoch,
          nonce,
          at,
          worker,
        });
      },
    ),
  );
  ifExists(join(folder, FILES.stored), (file) =>
    readRows(
      file,
      STORED_COLUMN_COUNT,
      ([object = 0, table = 0, version = 0, epoch = 0, nonce = 0, intact = 0]) => {
        if (!isOwn(object)) return;
        if (table === 0) group.rows.set(object, { version, epoch, nonce, intact: intact === 1 });
        else group.tombstones.set(object, { version, epoch });
      },
    ),
  );
  return group;
}

function toHistory(object: number, group: Group): Omit<ObjectHistory, 'letters' | 'repliesLost'> {
  const events: readonly Row[] = group.events.get(object) ?? [];
  const of = (...kinds: number[]): Row[] => events.filter((row) => kinds.includes(row[COLUMNS.kind] ?? 0));
  return {
    object: objectId(object),
    writes: of(KINDS.save, KINDS.delete).map(toWrite),
    loads: of(KINDS.ordered, KINDS.committed, KINDS.claim).map(toLoad),
    failures: of(KINDS.failure).map((row) => ({
      process: row[COLUMNS.process] ?? 0,
      outcome: outcomeOf(row) as 'fenced' | 'conflict' | 'rejected',
      storedEpoch: storedEpochOf(row),
      at: row[COLUMNS.endedAt] ?? 0,
    })),
    audit: (group.audit.get(object) ?? []).toSorted((a, b) => a.seq - b.seq),
    row: group.rows.get(object),
    tombstone: group.tombstones.get(object),
  };
}

function readLetters(folder: string): Map<number, Letter[]> {
  const letters = new Map<number, Letter[]>();
  ifExists(join(folder, FILES.letters), (file) => {
    for (const line of readFileSync(file, 'utf8').split('\n')) {
      if (line === '') continue;
      const letter = JSON.parse(line) as RecordedLetter;
      push(letters, letter.object, letter);
    }
  });
  return letters;
}

function readRepliesLost(file: string, repliesLost: Map<number, number[]>): void {
  readRows(file, COLUMN_COUNT, (row) => {
    if (row[COLUMNS.kind] !== KINDS.repliesLost) return;
    const process = row[COLUMNS.process] ?? 0;
    push(repliesLost, process, row[COLUMNS.endedAt] ?? 0);
  });
}

function ifExists(file: string, read: (file: string) => void): void {
  if (existsSync(file)) read(file);
}

function push<Item>(map: Map<number, Item[]>, key: number, item: Item): void {
  const items = map.get(key);
  if (items === undefined) map.set(key, [item]);
  else items.push(item);
}
