/**
 * A store in memory that keeps the contract of `Store`; the conformance suite runs over it and over PostgreSQL alike.
 * What only it can do: refuse chosen documents, fail on a script, and show its rows.
 */
import { isDeepStrictEqual } from 'node:util';
import type {
  Changes,
  ContentQuestion,
  ListWanted,
  LoadedObject,
  LoadWanted,
  ObjectRow,
  Purged,
  PurgedKind,
  ReadSession,
  RefusedRow,
  Store,
  StoredState,
  SuspectNote,
  SuspectSession,
  WriteRequest,
  WriteResult,
  WriteSession,
} from '../../src/store/store.ts';
import { claimKey, RowsRefusedError } from '../../src/store/store.ts';
import { StoreError } from '../../src/store/store-error.ts';

interface FakeRow {
  type: string;
  version: number;
  epoch: number;
  nextRcseq: number;
  document: string;
  /** The store's `now` when the row was made. */
  createdAt: number;
}

export interface FakeStoreOptions {
  /** Documents that the database refuses. */
  readonly refuses?: (row: ObjectRow) => boolean;
  /** Called before each write; what it throws is what the write fails with. */
  readonly beforeWrite?: () => void;
}

interface Tables {
  readonly rows: Map<string, FakeRow>;
  readonly tombstones: Map<string, { version: number; epoch: number }>;
  readonly claims: Map<string, number>;
}

export class FakeStore implements Store {
  tables: Tables = { rows: new Map(), tombstones: new Map(), claims: new Map() };
  /** The clock: what rows are made at. */
  now = 0;
  /** Slots that a stranger holds. */
  readonly heldSlots = new Set<number>();
  /** Frames begun and neither ended nor taken back, by the id of the beginning. */
  readonly suspects = new Map<string, SuspectNote>();
  readonly options: FakeStoreOptions;

  constructor(options: FakeStoreOptions = {}) {
    this.options = options;
  }

  openWriteSession(): WriteSession {
    return new FakeSession(this);
  }

  openReadSession(): ReadSession {
    return new FakeSession(this);
  }

  openSuspectSession(): SuspectSession {
    return new FakeSuspectSession(this);
  }
}

class FakeSuspectSession implements SuspectSession {
  readonly #suspects: Map<string, SuspectNote>;

  constructor({ suspects }: FakeStore) {
    this.#suspects = suspects;
  }

  async beginSuspects(notes: readonly SuspectNote[]): Promise<number[]> {
    const deaths = notes.map((note) => {
      const others = [...this.#suspects.values()].filter(
        ({ frameId, ownerId }) => frameId === note.frameId && ownerId !== note.ownerId,
      );
      return new Set(others.map(({ ownerId }) => ownerId)).size;
    });
    const known = deaths.findIndex((over) => over > 0);
    const written = notes.length > 1 && known >= 0 ? notes.slice(0, known) : notes;
    for (const note of written) this.#suspects.set(note.beginningId, note);
    return deaths;
  }

  async withdrawSuspects(beginningIds: readonly string[]): Promise<void> {
    for (const beginningId of beginningIds) this.#suspects.delete(beginningId);
  }

  async endSuspects(frameIds: readonly string[]): Promise<void> {
    for (const note of this.#suspects.values())
      if (frameIds.includes(note.frameId)) this.#suspects.delete(note.beginningId);
  }

  async close(): Promise<void> {}
}

const bytes = (id: string): Buffer => Buffer.from(id);

class FakeSession implements WriteSession {
  readonly #store: FakeStore;

  constructor(store: FakeStore) {
    this.#store = store;
  }

  async write(request: WriteRequest): Promise<WriteResult> {
    this.#store.options.beforeWrite?.();
    const tables = copy(this.#store.tables);
    const heldSlots = new Set(request.slots.filter((slot) => this.#store.heldSlots.has(slot)));
    const { presumable, isolate } = request;
    const presumed =
      presumable.length > 0 &&
      !isolate &&
      heldSlots.size === 0 &&
      presumable.every((row) => isNewer(row, tables));
    let rows = presumed ? this.#apply(changesOf(presumable, tables), tables, false) : 0;
    const passes = decide(request, tables, heldSlots, presumed);
    for (const changes of passes) rows += this.#apply(changes, tables, isolate);
    this.#store.tables = tables;
    return { heldSlots, path: 'rows', presumed, rows, refused: [] };
  }

  async load(wanted: readonly LoadWanted[]): Promise<LoadedObject[]> {
    return wanted.map(({ id, document }) => loaded(id, this.#store.tables, document));
  }

  async list({
    type,
    after = '',
    limit,
    documents,
    storedBytesMax = Infinity,
  }: ListWanted): Promise<LoadedObject[]> {
    const page = [...this.#store.tables.rows]
      .filter(([id, row]) => row.type === type && bytes(id).compare(bytes(after)) > 0)
      .map(([id]) => id)
      .toSorted((a, b) => bytes(a).compare(bytes(b)))
      .slice(0, limit)
      .map((id) => loaded(id, this.#store.tables, documents));
    let bytesLeft = storedBytesMax;
    return page.filter(({ document = '' }, index) => {
      bytesLeft -= document.length;
      return index === 0 || bytesLeft >= 0;
    });
  }

  async probe(): Promise<void> {}

  async purge(kind: PurgedKind): Promise<Purged> {
    if (kind === 'letters') return { rows: 0, reached: undefined };
    const { [kind]: table } = this.#store.tables;
    const rows = table.size;
    table.clear();
    return { rows, reached: undefined };
  }

  async close(): Promise<void> {}

  #apply(changes: Changes, tables: Tables, isolate: boolean): number {
    const refuses = this.#store.options.refuses ?? (() => false);
    const written = [...changes.inserts, ...changes.updates.map(({ row }) => row)];
    const refused: RefusedRow[] = written.filter(refuses).map((row) => ({ row, error: refusal() }));
    if (refused.length > 0) {
      throw isolate ? new RowsRefusedError(refused, written.length - refused.length) : refusal();
    }
    applyPass(changes, tables, this.#store.now);
    return written.length + changes.deletes.length;
  }
}

function isNewer({ id, version, epoch }: ObjectRow, { rows, tombstones }: Tables): boolean {
  const row = rows.get(id);
  return !tombstones.has(id) && (row === undefined || (row.version < version && row.epoch <= epoch));
}

function changesOf(presumable: readonly ObjectRow[], { rows }: Tables): Changes {
  const inserts = presumable.filter(({ id }) => !rows.has(id));
  const updates = presumable.filter(({ id }) => rows.has(id)).map((row) => ({ row, recreated: false }));
  return { inserts, updates, deletes: [], tombstones: [], epochs: [], claims: [], revived: [] };
}

function decide(
  request: WriteRequest,
  tables: Tables,
  heldSlots: ReadonlySet<number>,
  presumed: boolean,
): readonly Changes[] {
  const states = new Map<string, StoredState>();
  const presumable = presumed ? [] : request.presumable.map(({ id }) => id);
  for (const id of [...presumable, ...request.ids]) {
    const row = tables.rows.get(id);
    const tombstone = tables.tombstones.get(id);
    const { version, epoch } = row ?? tombstone ?? { version: 0, epoch: 0 };
    if (row ?? tombstone)
      states.set(id, { live: row !== undefined, tombstone: tombstone !== undefined, version, epoch });
  }
  const answers = new Map<object, boolean>();
  for (;;) {
    const decision = request.decide({ heldSlots, states, claims: tables.claims, answers }, presumed);
    if (decision.questions === undefined) return decision.passes;
    for (const question of decision.questions) answers.set(question.asker, sameContent(question, tables));
  }
}

function sameContent({ row, against }: ContentQuestion, tables: Tables): boolean {
  const stored = against === 'stored' ? tables.rows.get(row.id) : undefined;
  const other = against === 'stored' ? stored : { type: against.type, document: textOf(against) };
  if (other === undefined || other.type !== row.type) return false;
  return isDeepStrictEqual(JSON.parse(other.document), JSON.parse(textOf(row)));
}

function applyPass(changes: Changes, { rows, tombstones, claims }: Tables, now: number): void {
  const seen = new Set<string>();
  const once = (id: string): void => {
    if (seen.has(id)) throw new Error(`${id} is written twice in one pass`);
    seen.add(id);
  };
  const guard = (id: string, version: number, epoch: number): FakeRow => {
    once(id);
    const row = rows.get(id);
    if (row === undefined) throw new Error(`${id} has no row`);
    if (row.version >= version || row.epoch > epoch) throw new Error(`${id} did not pass its guard`);
    return row;
  };
  for (const { id, version, epoch } of changes.deletes) {
    guard(id, version, epoch);
    rows.delete(id);
    tombstones.set(id, { version, epoch });
  }
  for (const { id, version, epoch } of changes.tombstones) {
    once(id);
    if (rows.has(id)) throw new Error(`${id} has a row and gets a tombstone`);
    tombstones.set(id, { version, epoch });
  }
  for (const row of changes.inserts) {
    once(row.id);
    if (rows.has(row.id)) throw new Error(`${row.id} is there already`);
    rows.set(row.id, { ...fields(row), nextRcseq: row.nextRcseq, createdAt: now });
  }
  for (const { row, recreated } of changes.updates) {
    const before = guard(row.id, row.version, row.epoch);
    rows.set(row.id, {
      ...fields(row),
      nextRcseq: recreated ? row.nextRcseq : Math.max(before.nextRcseq, row.nextRcseq),
      createdAt: recreated ? now : before.createdAt,
    });
  }
  for (const { id, epoch } of changes.epochs) {
    once(id);
    const row = rows.get(id);
    if (row === undefined || row.epoch >= epoch) throw new Error(`the epoch of ${id} is not raised`);
    row.epoch = epoch;
  }
  for (const id of changes.revived) tombstones.delete(id);
  for (const { id, claim, epoch } of changes.claims) claims.set(claimKey(id, claim), epoch);
}

function copy({ rows, tombstones, claims }: Tables): Tables {
  return {
    rows: new Map([...rows].map(([id, row]) => [id, { ...row }])),
    tombstones: new Map(tombstones),
    claims: new Map(claims),
  };
}

function loaded(id: string, { rows, tombstones }: Tables, document: boolean): LoadedObject {
  const row = rows.get(id);
  if (row !== undefined) {
    const { type, version, epoch, nextRcseq } = row;
    return { id, live: true, type, version, epoch, nextRcseq, document: document ? row.document : undefined };
  }
  const { version, epoch } = tombstones.get(id) ?? { version: 0, epoch: 0 };
  return { id, live: false, type: undefined, version, epoch, nextRcseq: undefined, document: undefined };
}

function fields(row: ObjectRow): Omit<FakeRow, 'nextRcseq' | 'createdAt'> {
  return { type: row.type, version: row.version, epoch: row.epoch, document: textOf(row) };
}

function textOf({ body, documentStart, documentEnd }: ObjectRow): string {
  return body.toString('utf8', documentStart, documentEnd);
}

function refusal(): StoreError {
  return new StoreError('new row violates check constraint', {
    failure: 'row',
    sqlstate: '23514',
    constraint: 'fake_check',
  });
}
