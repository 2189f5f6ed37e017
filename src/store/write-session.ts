/**
 * One writer's connection and its transactions:
 * BEGIN, COPY (large batches), slot locks, states, decision, writes, COMMIT.
 */
import { applyChanges, type Staged } from './apply-changes.ts';
import { beginWithSlots } from './begin-with-slots.ts';
import { compareContents } from './compare-contents.ts';
import type { Connection } from './connection.ts';
import { CopyRoom } from './copy-rows.ts';
import { CHECK_AT_ONCE, isolateQuestions, isolateRefusedRows } from './isolate-refused-rows.ts';
import { lockSlots } from './lock-slots.ts';
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

const BEGIN = { text: 'BEGIN' };
const COMMIT = { text: 'COMMIT' };
const ROLLBACK = { text: 'ROLLBACK' };

export class PostgresWriteSession extends ReadSession implements WriteSession {
  readonly #copyRowsMin: number;
  /** Connections that have the temporary table, each with the buffer that is sent over it. */
  readonly #staging = new WeakMap<Connection, CopyRoom>();
  readonly #trying = new WeakSet<Connection>();

  /** @param copyRowsMin from how many candidate rows on they are sent by COPY. */
  constructor(open: () => Promise<Connection>, copyRowsMin: number) {
    super(open);
    this.#copyRowsMin = copyRowsMin;
  }

  async write(request: WriteRequest): Promise<WriteResult> {
    return await this.run((connection) => this.#write(connection, request));
  }

  async #write(connection: Connection, request: WriteRequest): Promise<WriteResult> {
    const byCopy = !request.isolate && request.candidates.length >= this.#copyRowsMin;
    if (byCopy && !this.#staging.has(connection)) {
      await connection.query(CREATE_STAGING);
      this.#staging.set(connection, new CopyRoom());
    }
    if (request.isolate && !this.#trying.has(connection)) {
      await connection.query(CREATE_TRIALS);
      this.#trying.add(connection);
    }
    try {
      const [staged, heldSlots] = await this.#begin(connection, request, byCopy);
      const decision = await this.#decide(connection, request, heldSlots);
      const written = request.isolate
        ? await this.#isolate(connection, decision)
        : { rows: await this.#apply(connection, decision.passes, staged), refused: [] };
      await connection.query(COMMIT);
      return { heldSlots, path: byCopy ? 'copy' : 'rows', ...written };
    } catch (error) {
      await rollBack(connection);
      throw error;
    }
  }

  /** Returns what was staged, and the slots that somebody else holds. */
  async #begin(
    connection: Connection,
    { isolate, candidates, slots }: WriteRequest,
    byCopy: boolean,
  ): Promise<[Staged, ReadonlySet<number>]> {
    // Mostly a small batch, for which every round trip counts.
    if (!byCopy && !isolate) return [new Map(), await beginWithSlots(connection, slots)];
    await connection.query(BEGIN);
    if (isolate) await connection.query(CHECK_AT_ONCE);
    const staged = byCopy ? await this.#stage(connection, candidates) : new Map();
    return [staged, await lockSlots(connection, slots)];
  }

  async #stage(connection: Connection, candidates: readonly ObjectRow[]): Promise<Staged> {
    await stageObjects(connection, candidates, this.#staging.get(connection) ?? new CopyRoom());
    const staged = new Map<ObjectRow, number>();
    for (let ord = 0; ord < candidates.length; ord += 1) staged.set(candidates[ord] as ObjectRow, ord);
    return staged;
  }

  async #decide(
    connection: Connection,
    request: WriteRequest,
    heldSlots: ReadonlySet<number>,
  ): Promise<WriteDecision> {
    const states = await readStates(connection, request.ids);
    const claims = request.claims.length > 0 ? await readClaims(connection, request.claims) : new Map();
    let answers: Map<object, boolean> = new Map();
    // Each round answers all questions that can be asked so far; an object with n equal versions takes at most n.
    for (;;) {
      const snapshot: Snapshot = { heldSlots, states, claims, answers };
      const decision: Decision = request.decide(snapshot);
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

/** Leaves the connection outside any transaction, or unusable; never throws. */
async function rollBack(connection: Connection): Promise<void> {
  if (!connection.usable) return;
  try {
    await connection.query(ROLLBACK);
  } catch (error) {
    if (!(error instanceof StoreError) || connection.usable) connection.destroy();
  }
}
