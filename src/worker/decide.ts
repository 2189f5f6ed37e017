/**
 * Decides what a batch writes and what becomes of each of its commands, from the states read under the slot locks.
 * Pure.
 *
 * The commands of an object are taken in queue order, each against the state that the ones before it left, so the
 * result is that of applying them one by one. What is written is less: consecutive plain writes of one epoch are a
 * fold, of which only the newest is written; the others are `superseded` by it. A fold is closed by everything whose
 * outcome rests on the commands before it having been stored, not only overtaken: a claim, an `ifVersion`, a change
 * of epoch, a refusal by epoch, an equal version with other content, a lower call sequence. Then the newest so far is
 * written in a pass of its own, and if the database refuses it, the batch is decided anew without it. A delete does
 * not close a fold: nothing of ours refuses one.
 */
import { INTEGER_MAX } from '../contract/limits.ts';
import {
  type Changes,
  type ContentQuestion,
  claimKey,
  type Decision,
  type EpochRow,
  NEVER_STORED,
  type ObjectRow,
  type Snapshot,
  type StoredState,
  type TombstoneRow,
  type WrittenRow,
} from '../store/store.ts';
import {
  type BatchClaim,
  type BatchCommand,
  type BatchSave,
  type BatchWrite,
  isClaim,
  isSave,
  type Verdict,
} from './batch-command.ts';

export interface BatchDecision {
  readonly decision: Decision;
  /** One for each command that is neither refused nor in a held slot, once there are no questions left. */
  readonly verdicts: ReadonlyMap<BatchCommand, Verdict>;
  /** Which command each written row stands for, to name the one that the database refuses. */
  readonly owners: RowOwners;
}

/**
 * @param objects the commands of each object, by id, in queue order.
 * @param refused commands that the database has refused: they count as never sent.
 */
export function decideBatch(
  objects: ReadonlyMap<string, readonly BatchCommand[]>,
  snapshot: Snapshot,
  refused: ReadonlySet<BatchCommand>,
): BatchDecision {
  const sink = new DecisionSink();
  for (const [id, commands] of objects) {
    const [first] = commands;
    if (first === undefined || snapshot.heldSlots.has(first.slot)) continue;
    if (commands.length === 1 && !refused.has(first) && decidePlainSave(first, snapshot, sink)) continue;
    new ObjectDecider(id, snapshot, sink).decide(commands, refused);
  }
  const { questions, passes, verdicts, owners } = sink;
  const older = (row: WrittenRow): readonly ObjectRow[] => sink.older(row);
  const isAlone = ({ id }: WrittenRow): boolean => objects.get(id)?.length === 1;
  const decision = questions.length > 0 ? { questions } : { passes, older, isAlone };
  return { decision, verdicts, owners };
}

/**
 * Decides a save that is the only command of its object and newer than what is stored, as an `ObjectDecider` would: it is
 * what most batches consist of. Returns false for any other.
 */
function decidePlainSave(item: BatchCommand, snapshot: Snapshot, sink: DecisionSink): boolean {
  if (!isSave(item)) return false;
  const { id, version, epoch, ifVersion } = item.command;
  const stored = snapshot.states.get(id) ?? NEVER_STORED;
  if (ifVersion !== undefined || epoch < stored.epoch || version <= stored.version) return false;
  const { row } = item;
  const changes = sink.pass(0);
  if (stored.live) changes.updates.push({ row, recreated: false });
  else changes.inserts.push(row);
  if (stored.tombstone) changes.revived.push(id);
  sink.owners.set(row, item);
  sink.verdicts.set(item, { outcome: 'applied', version, epoch });
  return true;
}

/** Which command a row stands for; asked only when a row is refused, so the index is made only then. */
class RowOwners {
  readonly #rows: WrittenRow[] = [];
  readonly #owners: BatchCommand[] = [];
  #index: Map<WrittenRow, BatchCommand> | undefined;

  set(row: WrittenRow, owner: BatchCommand): void {
    this.#rows.push(row);
    this.#owners.push(owner);
    this.#index?.set(row, owner);
  }

  get(row: WrittenRow): BatchCommand | undefined {
    this.#index ??= new Map(this.#rows.map((each, n) => [each, this.#owners[n] as BatchCommand]));
    return this.#index.get(row);
  }
}

class DecisionSink {
  readonly questions: ContentQuestion[] = [];
  readonly passes: Changes[] = [];
  readonly verdicts = new Map<BatchCommand, Verdict>();
  readonly owners = new RowOwners();
  /** Folds of more than one command, by the row that is written of them. */
  readonly folds = new Map<WrittenRow, readonly BatchWrite[]>();

  /** The saves that would be written instead of a row, next first, down to a delete, which nothing of ours refuses. */
  older(row: WrittenRow): readonly ObjectRow[] {
    const survivor = this.owners.get(row);
    const others = (this.folds.get(row) ?? [])
      .filter((item) => item !== survivor)
      .toSorted((a, b) => b.command.version - a.command.version);
    const rows: ObjectRow[] = [];
    for (const item of others) {
      if (!isSave(item)) break;
      rows.push(item.row);
      this.owners.set(item.row, item);
    }
    return rows;
  }

  pass(index: number): Changes {
    const existing = this.passes[index];
    if (existing !== undefined) return existing;
    const created: Changes = {
      inserts: [],
      updates: [],
      deletes: [],
      tombstones: [],
      epochs: [],
      claims: [],
      revived: [],
    };
    this.passes[index] = created;
    return created;
  }
}

/** The decision for one object. */
class ObjectDecider {
  readonly #id: string;
  readonly #snapshot: Snapshot;
  readonly #sink: DecisionSink;
  /** The state the commands so far leave. */
  #live: boolean;
  #version: number;
  #epoch: number;
  /** Where the content of the live state comes from. */
  #content: 'stored' | BatchSave = 'stored';
  /** What the database will have when the open fold is written. */
  #base: StoredState;
  /** The open fold: applied writes and those that they supersede, in order, and what is folded of them. */
  #fold: BatchWrite[] = [];
  #foldVersions: Set<number> | undefined;
  #survivor: BatchWrite | undefined;
  #recreated = false;
  #passIndex = 0;
  #granted: Map<string, number> | undefined;

  constructor(id: string, snapshot: Snapshot, sink: DecisionSink) {
    this.#id = id;
    this.#snapshot = snapshot;
    this.#sink = sink;
    this.#base = snapshot.states.get(id) ?? NEVER_STORED;
    this.#live = this.#base.live;
    this.#version = this.#base.version;
    this.#epoch = this.#base.epoch;
  }

  decide(commands: readonly BatchCommand[], refused: ReadonlySet<BatchCommand>): void {
    for (const item of commands) {
      if (refused.has(item)) continue;
      if (isClaim(item)) this.#claim(item);
      // An open question leaves the state behind it unknown; the whole batch is decided again with its answer.
      else if (!this.#write(item)) return;
    }
    this.#closeFold();
  }

  /** Returns false if it must be asked first whether the content is the same. */
  #write(item: BatchWrite): boolean {
    const { version, epoch, ifVersion } = item.command;
    if (ifVersion !== undefined || epoch !== this.#epoch) this.#closeFold();
    if (epoch < this.#epoch) {
      this.#judge(item, 'fenced');
    } else if (version === this.#version) {
      return this.#writeEqualVersion(item);
    } else if (ifVersion !== undefined && !this.#meets(ifVersion)) {
      this.#judge(item, 'conflict');
    } else if (version < this.#version) {
      this.#supersede(item);
    } else {
      if (this.#lowersNextRcseq(item)) this.#closeFold();
      this.#apply(item);
      if (ifVersion !== undefined) this.#closeFold();
    }
    return true;
  }

  /**
   * An older write than the present state: in the fold, if it would be overtaken even without the survivor. One of a
   * version that the fold has already would be in conflict with that, if the database refuses what came between.
   */
  #supersede(item: BatchWrite): void {
    const survivor = this.#survivor;
    if (
      survivor !== undefined &&
      isSave(item) &&
      item.command.version > this.#base.version &&
      item.row.nextRcseq <= nextRcseqOf(survivor) &&
      !this.#versionsOfFold().has(item.command.version)
    ) {
      this.#fold.push(item);
      this.#versionsOfFold().add(item.command.version);
    } else {
      this.#closeFold();
      this.#judge(item, 'superseded');
    }
  }

  /** Made for the first that comes out of order, and kept until the fold is closed. */
  #versionsOfFold(): Set<number> {
    this.#foldVersions ??= new Set(this.#fold.map(({ command }) => command.version));
    return this.#foldVersions;
  }

  #writeEqualVersion(item: BatchWrite): boolean {
    const same = this.#hasContentOf(item);
    if (same === undefined) return false;
    if (same && this.#survivor !== undefined) {
      this.#fold.push(item);
    } else if (same) {
      this.#judge(item, 'applied');
    } else {
      this.#closeFold();
      this.#judge(item, 'conflict');
    }
    return true;
  }

  /** Whether the present state is what `item` would make it; `undefined` if only the database can tell. */
  #hasContentOf(item: BatchWrite): boolean | undefined {
    if (!isSave(item)) return !this.#live;
    if (!this.#live) return false;
    const against = this.#content;
    if (against !== 'stored') {
      if (against.row.type !== item.row.type) return false;
      if (haveSameBytes(against.row, item.row)) return true;
    }
    const answer = this.#snapshot.answers.get(item);
    if (answer === undefined) this.#ask(item, against);
    return answer;
  }

  /** Either of the two may be what the database cannot even read, and is then named by its row. */
  #ask(item: BatchSave, against: 'stored' | BatchSave): void {
    const { questions, owners } = this.#sink;
    questions.push({ asker: item, row: item.row, against: against === 'stored' ? against : against.row });
    owners.set(item.row, item);
    if (against !== 'stored') owners.set(against.row, against);
  }

  /** Whether the call sequence to be stored would come from an older save of the fold. */
  #lowersNextRcseq(item: BatchWrite): boolean {
    return this.#survivor !== undefined && isSave(item) && item.row.nextRcseq < nextRcseqOf(this.#survivor);
  }

  #meets(ifVersion: number): boolean {
    return ifVersion === 0 ? !this.#live : this.#live && this.#version === ifVersion;
  }

  #apply(item: BatchWrite): void {
    this.#fold.push(item);
    this.#foldVersions?.add(item.command.version);
    this.#survivor = item;
    this.#version = item.command.version;
    this.#epoch = item.command.epoch;
    if (isSave(item)) {
      this.#live = true;
      this.#content = item;
    } else {
      this.#live = false;
      this.#recreated = true;
    }
  }

  #claim(item: BatchClaim): void {
    const { claim, epoch: proposed } = item.command;
    const known = this.#snapshot.claims.get(claimKey(this.#id, claim)) ?? this.#granted?.get(claim);
    if (known !== undefined) {
      this.#sink.verdicts.set(item, { outcome: 'claimed', epoch: known });
      return;
    }
    this.#closeFold();
    const epoch = Math.max(this.#epoch + 1, proposed);
    if (epoch > INTEGER_MAX) {
      this.#sink.verdicts.set(item, { outcome: 'exhausted' });
      return;
    }
    this.#granted ??= new Map();
    this.#granted.set(claim, epoch);
    this.#epoch = epoch;
    const changes = this.#nextPass();
    changes.claims.push({ id: this.#id, claim, epoch });
    if (this.#live) {
      const row: EpochRow = { id: this.#id, epoch };
      changes.epochs.push(row);
      this.#sink.owners.set(row, item);
    } else {
      changes.tombstones.push({ id: this.#id, version: this.#version, epoch });
    }
    this.#base = { live: this.#live, version: this.#version, epoch, tombstone: !this.#live };
    this.#sink.verdicts.set(item, { outcome: 'claimed', epoch });
  }

  /** Writes the newest of the open fold, and settles all of it. */
  #closeFold(): void {
    const survivor = this.#survivor;
    if (survivor === undefined) return;
    const written = this.#emit(survivor, this.#nextPass());
    if (this.#fold.length > 1) this.#sink.folds.set(written, this.#fold);
    const { version, epoch } = survivor.command;
    for (const item of this.#fold) {
      const outcome = item.command.version === version ? 'applied' : 'superseded';
      this.#sink.verdicts.set(item, { outcome, version, epoch });
    }
    this.#base = { live: this.#live, version, epoch, tombstone: !this.#live };
    this.#fold = [];
    this.#foldVersions = undefined;
    this.#survivor = undefined;
    this.#recreated = false;
  }

  #emit(survivor: BatchWrite, changes: Changes): WrittenRow {
    const base = this.#base;
    if (!isSave(survivor)) {
      const { version, epoch } = survivor.command;
      const tombstone: TombstoneRow = { id: this.#id, version, epoch };
      (base.live ? changes.deletes : changes.tombstones).push(tombstone);
      this.#sink.owners.set(tombstone, survivor);
      return tombstone;
    }
    const { row } = survivor;
    if (base.live) changes.updates.push({ row, recreated: this.#recreated });
    else changes.inserts.push(row);
    if (base.tombstone) changes.revived.push(this.#id);
    this.#sink.owners.set(row, survivor);
    return row;
  }

  #judge(item: BatchWrite, outcome: 'applied' | 'superseded' | 'fenced' | 'conflict'): void {
    this.#sink.verdicts.set(item, { outcome, version: this.#version, epoch: this.#epoch });
  }

  #nextPass(): Changes {
    const changes = this.#sink.pass(this.#passIndex);
    this.#passIndex += 1;
    return changes;
  }
}

/** A delete begins the call sequence anew. */
function nextRcseqOf(item: BatchWrite): number {
  return isSave(item) ? item.row.nextRcseq : 0;
}

function haveSameBytes(one: ObjectRow, other: ObjectRow): boolean {
  return (
    one.documentEnd - one.documentStart === other.documentEnd - other.documentStart &&
    one.body.compare(
      other.body,
      other.documentStart,
      other.documentEnd,
      one.documentStart,
      one.documentEnd,
    ) === 0
  );
}
