/**
 * One writer's connection and its transactions:
 * BEGIN, COPY (large batches), slot locks, states, decision, writes, COMMIT;
 * without states and decision for what is presumed to be newer than what is stored, and in one statement if that is small
 * and all there is.
 */
import { applyChanges, NOTHING_STAGED, type Staged } from './apply-changes.ts';
import { beginWithSlots } from './begin-with-slots.ts';
import { compareContents } from './compare-contents.ts';
import type { Connection } from './connection.ts';
import { CopyRoom } from './copy-rows.ts';
import { CHECK_AT_ONCE, isolateQuestions, isolateRefusedRows } from './isolate-refused-rows.ts';
import { lockSlots } from './lock-slots.ts';
import { Presumption } from './presumption.ts';
import { readClaims } from './read-claims.ts';
import { ReadSession } from './read-session.ts';
import { readStates } from './read-states.ts';
import { CREATE_STAGING, stageObjects } from './stage-objects.ts';
import {
  type Changes,
  type Decision,
  type ObjectRow,
  type RefusedRow,
  type Snapshot,
  type WriteDecision,
  type WriteRequest,
  type WriteResult,
  type WriteSession,
} from './store.ts';
import { StoreError } from './store-error.ts';
import { CREATE_TRIALS } from './try-rows.ts';
import { createUpsertAtOnce, upsertAtOnce } from './upsert-at-once.ts';
import { upsertObjects } from './upsert-objects.ts';
import { hasUpsertObstacles } from './upsert-obstacles.ts';
import { upsertStagedObjects } from './upsert-staged-objects.ts';

const BEGIN = { text: 'BEGIN' };
const COMMIT = { text: 'COMMIT' };
const ROLLBACK = { text: 'ROLLBACK' };

/** Somebody who adds a trigger or a rule is noticed within that; to look costs less than a small batch. */
const LOOK_AGAIN_MS = 60_000;

export class PostgresWriteSession extends ReadSession implements WriteSession {
  readonly #copyRowsMin: number;
  /** Connections that have the temporary table, each with the buffer that is sent over it. */
  readonly #staging = new WeakMap<Connection, CopyRoom>();
  /** Connections that have the functions in their temporary schema. */
  readonly #trying = new WeakSet<Connection>();
  /** Whether they could be given the procedure. */
  readonly #upserting = new WeakMap<Connection, boolean>();
  readonly #presumption = new Presumption();
  readonly #upsertObstacles = new WeakMap<Connection, { readonly has: boolean; readonly lookedAt: number }>();

  /** @param copyRowsMin from how many candidate rows on they are sent by COPY. */
  constructor(open: () => Promise<Connection>, copyRowsMin: number) {
    super(open);
    this.#copyRowsMin = copyRowsMin;
  }

  async write(request: WriteRequest): Promise<WriteResult> {
    return await this.run(async (connection) => {
      const presume = await this.#mayPresume(connection, request);
      const atOnce =
        presume &&
        request.ids.length === 0 &&
        !this.#byCopy(request) &&
        (await this.#canUpsertAtOnce(connection));
      const written = atOnce ? await this.#writeAtOnce(connection, request) : undefined;
      return written ?? (await this.#write(connection, request, presume && !atOnce));
    });
  }

  /** Where most objects must be read about anyway, little is gained and all may be written in vain. */
  async #mayPresume(connection: Connection, { presumable, ids, isolate }: WriteRequest): Promise<boolean> {
    if (isolate || presumable.length === 0 || presumable.length < ids.length) return false;
    return this.#presumption.ask() && !(await this.#upsertHasObstacles(connection));
  }

  async #upsertHasObstacles(connection: Connection): Promise<boolean> {
    const now = performance.now();
    const known = this.#upsertObstacles.get(connection);
    if (known !== undefined && now - known.lookedAt < LOOK_AGAIN_MS) return known.has;
    const has = await hasUpsertObstacles(connection);
    this.#upsertObstacles.set(connection, { has, lookedAt: now });
    return has;
  }

  #byCopy({ isolate, presumable, candidates }: WriteRequest): boolean {
    return !isolate && presumable.length + candidates.length >= this.#copyRowsMin;
  }

  /** Without the right to make the procedure, small batches do without it. */
  async #canUpsertAtOnce(connection: Connection): Promise<boolean> {
    let can = this.#upserting.get(connection);
    if (can === undefined) {
      can = await createUpsertAtOnce(connection);
      this.#upserting.set(connection, can);
    }
    return can;
  }

  /** Returns `undefined`, and has written nothing, if it is not as presumed or somebody else holds a slot. */
  async #writeAtOnce(
    connection: Connection,
    { slots, presumable }: WriteRequest,
  ): Promise<WriteResult | undefined> {
    try {
      const outcome = await upsertAtOnce(connection, slots, presumable);
      if (outcome === 'stale') this.#presumption.failed();
      if (outcome !== 'written') return undefined;
    } catch (error) {
      this.#presumedInVain(error);
      throw error;
    }
    this.#presumption.confirmed();
    return { heldSlots: new Set(), path: 'rows', presumed: true, rows: presumable.length, refused: [] };
  }

  async #write(connection: Connection, request: WriteRequest, mayPresume: boolean): Promise<WriteResult> {
    const byCopy = this.#byCopy(request);
    if (byCopy && !this.#staging.has(connection)) {
      await connection.query(CREATE_STAGING);
      this.#staging.set(connection, new CopyRoom());
    }
    if (request.isolate && !this.#trying.has(connection)) {
      await connection.query(CREATE_TRIALS);
      this.#trying.add(connection);
    }
    try {
      const heldSlots = await this.#begin(connection, request, byCopy);
      // Of rows in held slots nothing may be presumed.
      const presumed = mayPresume && heldSlots.size === 0;
      if (!presumed || (await this.#upsert(connection, request, byCopy))) {
        const written = await this.#writeDecided(connection, request, { heldSlots, byCopy, presumed });
        await connection.query(COMMIT);
        if (presumed) this.#presumption.confirmed();
        const rows = written.rows + (presumed ? request.presumable.length : 0);
        return { heldSlots, path: byCopy ? 'copy' : 'rows', presumed, rows, refused: written.refused };
      }
      await connection.query(ROLLBACK);
    } catch (error) {
      await rollBack(connection);
      if (mayPresume) this.#presumedInVain(error);
      throw error;
    }
    this.#presumption.failed();
    return await this.#write(connection, request, false);
  }

  /** What PostgreSQL refuses of one statement for inserts and updates, it may take of one for each. */
  #presumedInVain(error: unknown): void {
    if (!(error instanceof StoreError) || error.connectionLost) return;
    if (error.failure === 'row' || error.failure === 'systemic') this.#presumption.failed();
  }

  /** Returns the slots that somebody else holds. */
  async #begin(
    connection: Connection,
    { isolate, presumable, candidates, slots }: WriteRequest,
    byCopy: boolean,
  ): Promise<ReadonlySet<number>> {
    // Mostly a small batch, for which every round trip counts.
    if (!byCopy && !isolate) return await beginWithSlots(connection, slots);
    await connection.query(BEGIN);
    if (isolate) await connection.query(CHECK_AT_ONCE);
    const room = this.#staging.get(connection);
    if (byCopy && room !== undefined) await stageObjects(connection, [...presumable, ...candidates], room);
    return await lockSlots(connection, slots);
  }

  /** Returns whether everything presumable went through its guard. */
  async #upsert(connection: Connection, { presumable }: WriteRequest, byCopy: boolean): Promise<boolean> {
    const count = byCopy
      ? await upsertStagedObjects(connection, presumable.length)
      : await upsertObjects(connection, presumable);
    return count === presumable.length;
  }

  /** Writes what must be decided about; that is nothing if all was presumed. */
  async #writeDecided(
    connection: Connection,
    request: WriteRequest,
    { heldSlots, byCopy, presumed }: { heldSlots: ReadonlySet<number>; byCopy: boolean; presumed: boolean },
  ): Promise<Pick<WriteResult, 'rows' | 'refused'>> {
    const { presumable, candidates, isolate } = request;
    if (presumed && request.ids.length === 0) return { rows: 0, refused: [] };
    const decision = await this.#decide(connection, request, heldSlots, presumed);
    if (isolate) return await this.#isolate(connection, decision);
    const staged = byCopy ? stagedRows(presumable, candidates) : NOTHING_STAGED;
    return { rows: await this.#apply(connection, decision.passes, staged), refused: [] };
  }

  async #decide(
    connection: Connection,
    request: WriteRequest,
    heldSlots: ReadonlySet<number>,
    presumed: boolean,
  ): Promise<WriteDecision> {
    const ids = presumed ? request.ids : [...request.presumable.map(({ id }) => id), ...request.ids];
    const states = await readStates(connection, ids);
    const claims = request.claims.length > 0 ? await readClaims(connection, request.claims) : new Map();
    let answers: Map<object, boolean> = new Map();
    // Each round answers all questions that can be asked so far; an object with n equal versions takes at most n.
    for (;;) {
      const snapshot: Snapshot = { heldSlots, states, claims, answers };
      const decision: Decision = request.decide(snapshot, presumed);
      if (decision.questions === undefined) return decision;
      const compare = request.isolate ? isolateQuestions : compareContents;
      answers = new Map([...answers, ...(await compare(connection, decision.questions))]);
    }
  }

  async #apply(connection: Connection, passes: readonly Changes[], staged: Staged): Promise<number> {
    let rows = 0;
    for (const changes of passes) rows += await applyChanges(connection, changes, staged);
    return rows;
  }

  async #isolate(
    connection: Connection,
    decision: WriteDecision,
  ): Promise<Pick<WriteResult, 'rows' | 'refused'>> {
    let rows = 0;
    const refused: RefusedRow[] = [];
    for (const changes of decision.passes) {
      // What later passes would write rests on what is refused here, so it is decided anew without it.
      const written = await isolateRefusedRows(connection, changes, decision);
      rows += written.rows;
      refused.push(...written.refused);
    }
    return { rows, refused };
  }
}

/** Where rows lie in the temporary table: in the order in which they were sent. */
function stagedRows(...sent: (readonly ObjectRow[])[]): Staged {
  const staged = new Map<ObjectRow, number>();
  for (const rows of sent) for (const row of rows) staged.set(row, staged.size);
  return staged;
}

/** Leaves the connection outside any transaction, or unusable; never throws. */
async function rollBack(connection: Connection): Promise<void> {
  if (!connection.usable) return;
  try {
    await connection.query(ROLLBACK);
  } catch (error) {
    if (!(error instanceof StoreError) || connection.usable) connection.destroy();
  }
}
