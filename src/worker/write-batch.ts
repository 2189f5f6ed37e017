/**
 * Writes the commands of a batch and gives each its verdict, whatever it takes: isolates what the database refuses,
 * sets partitions aside whose locks somebody else holds, and waits where nothing can be written at all.
 */
import { ContractError } from '../contract/errors.ts';
import type { ReplyLine } from '../contract/reply.ts';
import {
  type ClaimKey,
  type ObjectRow,
  type RefusedRow,
  RowsRefusedError,
  type WriteRequest,
  type WriteSession,
} from '../store/store.ts';
import { isGuardMiss, StoreError, storeErrorOf } from '../store/store-error.ts';
import { type BatchCommand, type BatchSave, isClaim, isSave, type Verdict } from './batch-command.ts';
import type { Caution } from './caution.ts';
import { type BatchDecision, decideBatch } from './decide.ts';
import { markKnownVersions } from './known-versions.ts';
import type { RefusalStreak } from './refusal-streak.ts';
import { reject, type WorkEntry, type WorkFrame } from './work-frame.ts';
import type { WriteRetry } from './write-retry.ts';

export interface WriteBatchContext {
  readonly session: WriteSession;
  readonly retry: WriteRetry;
  /** Shared by all writers. */
  readonly streak: RefusalStreak;
  /** Of this writer. */
  readonly caution: Caution;
  readonly onWritten: (result: { path: 'rows' | 'copy'; rows: number; durationMs: number }) => void;
}

/** Somebody who changes our rows between our read and our write is hardly that quick three times in a row. */
const GUARD_MISSES_MAX = 3;

export interface WriteBatchResult {
  /** Frames with commands in held slots: nothing of them may be answered or acked. */
  readonly setAside: ReadonlySet<WorkFrame>;
}

/**
 * Writes what a batch has to write.
 *
 * @throws StoppedError if the worker stops before the database lets it; StoreError of class `contended` if somebody
 *   else holds a row or changed one meanwhile: the caller knows whether other partitions can go on.
 */
export async function writeBatch(
  frames: readonly WorkFrame[],
  context: WriteBatchContext,
): Promise<WriteBatchResult> {
  const write = new BatchWriting(frames, context);
  if (write.isEmpty) return { setAside: new Set() };
  await write.run();
  const { heldSlots } = write;
  // Loads count as well: they must see the writes before them.
  const setAside = new Set(
    heldSlots.size === 0
      ? []
      : frames.filter(({ entries }) => entries.some(({ slot }) => slot !== undefined && heldSlots.has(slot))),
  );
  write.answer();
  markKnownVersions(frames);
  return { setAside };
}

class BatchWriting {
  heldSlots: ReadonlySet<number> = new Set();
  readonly #frames: readonly WorkFrame[];
  readonly #context: WriteBatchContext;
  /** Saves without condition that are the only commands of their objects, by id: mostly all there is. */
  readonly #plain = new Map<string, BatchSave>();
  /** The commands of all other objects, by id, in queue order. */
  readonly #others = new Map<string, BatchCommand[]>();
  readonly #slots: number[];
  readonly #claims: ClaimKey[] = [];
  readonly #refused = new Set<BatchCommand>();
  #decided: BatchDecision | undefined;
  /** The plain ones were written as they are, without a verdict. */
  #presumed = false;
  /** What had been written by all writers when this batch was first taken for systemically refused. */
  #writesBefore: number | undefined;

  constructor(frames: readonly WorkFrame[], context: WriteBatchContext) {
    this.#frames = frames;
    this.#context = context;
    const slots = new Set<number>();
    for (const { entries } of frames) {
      for (const { item, line } of entries) {
        if (item === undefined || line !== undefined) continue;
        slots.add(item.slot);
        this.#add(item);
        if (isClaim(item)) this.#claims.push({ id: item.command.id, claim: item.command.claim });
      }
    }
    this.#slots = [...slots].toSorted((a, b) => a - b);
  }

  #add(item: BatchCommand): void {
    const { id } = item.command;
    const others = this.#others.get(id);
    if (others !== undefined) {
      others.push(item);
      return;
    }
    const plain = this.#plain.get(id);
    if (plain !== undefined) {
      this.#plain.delete(id);
      this.#others.set(id, [plain, item]);
    } else if (isSave(item) && item.command.ifVersion === undefined) {
      this.#plain.set(id, item);
    } else {
      this.#others.set(id, [item]);
    }
  }

  /** Whether there is nothing to write. */
  get isEmpty(): boolean {
    return this.#plain.size === 0 && this.#others.size === 0;
  }

  /** Gives every command its answer that was written or decided about. */
  answer(): void {
    const verdicts = this.#decided?.verdicts;
    for (const { entries, delivery, ambiguous } of this.#frames) {
      // Without its channel it has returned to its queue, and another worker may have written it before we decided.
      const redelivered = delivery.redelivered || ambiguous || !delivery.live();
      for (const work of entries) {
        const { item, line } = work;
        if (item === undefined || line !== undefined) continue;
        const { id } = item.command;
        const verdict = verdicts?.get(item);
        if (verdict !== undefined) {
          answerWrite(item, work, verdict, redelivered);
        } else if (this.#presumed && isSave(item) && this.#plain.get(id) === item) {
          const { version, epoch } = item.command;
          work.line = { id, outcome: 'applied', version, epoch };
        }
      }
    }
  }

  async run(): Promise<void> {
    const { session, retry, streak, caution, onWritten } = this.#context;
    let isolate = caution.isolates;
    let swallowed = false;
    for (let attempt = 1; ; attempt += 1) {
      try {
        const startedAt = performance.now();
        const result = await session.write(this.#request(isolate));
        this.heldSlots = result.heldSlots;
        this.#presumed = result.presumed;
        retry.succeeded();
        if (result.rows > 0) streak.written();
        if (result.refused.length > 0) this.#reject(result.refused, attempt);
        if (this.#refused.size > 0) caution.refused();
        else caution.written();
        onWritten({ path: result.path, rows: result.rows, durationMs: performance.now() - startedAt });
        return;
      } catch (error) {
        if (error instanceof RowsRefusedError) {
          const miss = error.refused.find((refused) => isGuardMiss(refused.error));
          if (miss !== undefined && !swallowed) {
            if (!this.#isSwallowed(miss.error)) throw miss.error;
            swallowed = true;
          }
          if (this.#isSystemic(error)) {
            await retry.failed(systemicRefusal(error));
          } else {
            this.#reject(error.refused, attempt);
            isolate = false;
          }
          continue;
        }
        const storeError = storeErrorOf(error);
        if (storeError.connectionLost) for (const frame of this.#frames) frame.ambiguous = true;
        if (storeError.failure === 'contended') {
          if (isolate || !this.#isSwallowed(storeError)) throw storeError;
          swallowed = true;
          isolate = true;
          continue;
        }
        if (storeError.failure === 'row' && !isolate) isolate = true;
        else await retry.failed(storeError.failure === 'row' ? unisolated(storeError) : storeError);
      }
    }
  }

  #request(isolate: boolean): WriteRequest {
    // What an earlier attempt decided is void.
    this.#decided = undefined;
    return {
      slots: this.#slots,
      presumable: this.#presumable(),
      ids: [...this.#others.keys()],
      claims: this.#claims,
      candidates: this.#candidates(),
      decide: (snapshot, presumed) => {
        this.#decided = decideBatch(presumed ? this.#others : this.#all(), snapshot, this.#refused);
        return this.#decided.decision;
      },
      isolate,
    };
  }

  #presumable(): ObjectRow[] {
    const rows: ObjectRow[] = [];
    for (const item of this.#plain.values()) if (!this.#refused.has(item)) rows.push(item.row);
    return rows;
  }

  #all(): Map<string, readonly BatchCommand[]> {
    const all = new Map<string, readonly BatchCommand[]>(this.#others);
    for (const [id, item] of this.#plain) all.set(id, [item]);
    return all;
  }

  /** The newest save of each of the other objects, unless a delete follows it: what is most likely written. */
  #candidates(): ObjectRow[] {
    const rows: ObjectRow[] = [];
    for (const commands of this.#others.values()) {
      const last = commands.findLast((item) => !isClaim(item) && !this.#refused.has(item));
      if (last !== undefined && isSave(last)) rows.push(last.row);
    }
    return rows;
  }

  /** Whether it is not somebody else's write that stops ours, since it has been stopped so often. */
  #isSwallowed(error: StoreError): boolean {
    if (!isGuardMiss(error)) return false;
    for (const frame of this.#frames) frame.guardMisses += 1;
    return this.#frames.some(({ guardMisses }) => guardMisses > GUARD_MISSES_MAX);
  }

  #isSystemic(error: RowsRefusedError): boolean {
    const { streak } = this.#context;
    if (!streak.isSystemic(error)) return false;
    this.#writesBefore ??= streak.writes;
    return this.#writesBefore === streak.writes;
  }

  #reject(refused: readonly RefusedRow[], attempts: number): void {
    const works = new Map<BatchCommand, WorkEntry>();
    for (const { entries } of this.#frames) {
      for (const work of entries) if (work.item !== undefined) works.set(work.item, work);
    }
    for (const { row, error } of refused) {
      const owner = this.#decided?.owners.get(row);
      const work = owner === undefined ? undefined : works.get(owner);
      if (owner === undefined || work === undefined) continue;
      this.#refused.add(owner);
      reject(work, {
        error: new ContractError('UNSTORABLE', describeRefusal(error), { cause: error }),
        storeError: error,
        attempts,
      });
    }
  }
}

function systemicRefusal({ refused }: RowsRefusedError): StoreError {
  const [first] = refused;
  return new StoreError(`every row is refused: ${first?.error.message ?? ''}`, {
    failure: 'systemic',
    sqlstate: first?.error.sqlstate,
    constraint: first?.error.constraint,
    cause: first?.error,
  });
}

/** Something other than a row of ours is refused, again and again: nothing to dead-letter, somebody must look. */
function unisolated(error: StoreError): StoreError {
  const { message, sqlstate, constraint } = error;
  return new StoreError(message, { failure: 'systemic', sqlstate, constraint, cause: error });
}

/** PostgreSQL's message, which names the column or constraint; never its detail, which repeats the row. */
function describeRefusal(error: StoreError): string {
  return `PostgreSQL refuses the row: ${error.message} (${error.sqlstate ?? 'no SQLSTATE'})`;
}

function answerWrite(item: BatchCommand, work: WorkEntry, verdict: Verdict, redelivered: boolean): void {
  const { id } = item.command;
  switch (verdict.outcome) {
    case 'claimed':
      // Answered by the load, which carries this epoch.
      work.claimedEpoch = verdict.epoch;
      return;
    case 'exhausted':
      reject(work, {
        error: new ContractError(
          'INVALID_COMMAND',
          'the epochs of this object are used up; reset the object',
        ),
      });
      return;
    case 'applied':
    case 'superseded':
    case 'fenced':
    case 'conflict': {
      const { outcome, version, epoch } = verdict;
      const line: ReplyLine = { id, outcome, version, epoch };
      const isOvertaken = outcome === 'conflict' || outcome === 'superseded';
      work.line = isOvertaken && redelivered ? { ...line, redelivered } : line;
      return;
    }
    default:
      return verdict satisfies never;
  }
}
