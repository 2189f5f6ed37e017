/** The table of dead letters as tests look at it. */
import { randomUUID } from 'node:crypto';
import type { LetterRow } from '../../src/store/letter-row.ts';
import { PostgresStore } from '../../src/store/postgres-store.ts';
import { eventually } from './eventually.ts';
import type { Scratch } from './scratch.ts';

export interface TableLetter {
  readonly number: number;
  readonly letterId: string;
  readonly code: string;
  readonly objectId: string | null;
  readonly objectType: string | null;
  readonly version: number | null;
  readonly partition: string | null;
  readonly node: string | null;
  readonly headers: Record<string, unknown>;
  readonly body: string;
  readonly failedAt: string;
  readonly publishedAt: string | null;
  readonly outcome: string | null;
  readonly open: boolean;
  readonly dropped: boolean;
}

/** All letters in the order in which they were put in. */
export async function tableLetters(scratch: Scratch): Promise<TableLetter[]> {
  const { rows } = await scratch.sql.query<TableLetter>(`
    SELECT number::int, letter_id AS "letterId", code, object_id AS "objectId", object_type AS "objectType",
           version::float8, partition, node, headers, convert_from(body, 'UTF8') AS body,
           to_char(failed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "failedAt",
           to_char(published_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "publishedAt",
           replay_outcome AS outcome, replayed_at IS NULL AND dropped_at IS NULL AS open,
           dropped_at IS NOT NULL AS dropped
    FROM holdfast_dead_letters ORDER BY number`);
  return rows;
}

/** The letters, once there are so many. */
export async function untilTableHas(scratch: Scratch, count: number): Promise<TableLetter[]> {
  return await eventually(async () => {
    const letters = await tableLetters(scratch);
    return letters.length >= count && letters;
  });
}

export async function emptyTable(scratch: Scratch): Promise<void> {
  await scratch.sql.query('TRUNCATE holdfast_dead_letters');
}

/** What is to be said of a letter that a test puts into the table itself; the rest follows from it. */
export interface GivenLetter {
  readonly body: string | Buffer;
  readonly code?: string;
  readonly objectId?: string;
  readonly objectType?: string;
  readonly version?: number;
  readonly partition?: string;
  readonly node?: string;
  readonly failedAt?: string;
  readonly publishedAt?: string;
  readonly messageType?: string;
  readonly headers?: Record<string, unknown>;
}

/** Puts letters into the table as the mover does; returns their numbers, in order. */
export async function putLetters(scratch: Scratch, letters: readonly GivenLetter[]): Promise<number[]> {
  const session = new PostgresStore({ ...scratch.connectionOptions(), copyRowsMin: 1 }).openLetterSession();
  const numbers: number[] = [];
  try {
    const rows = letters.map((letter): LetterRow => ({ ...UNSAID, ...letter, ...made(letter) }));
    await session.insertLetters(rows);
    const { rows: found } = await scratch.sql.query<{ letter_id: string; number: string }>(
      'SELECT letter_id, number FROM holdfast_dead_letters',
    );
    const byId = new Map(found.map(({ letter_id: id, number }) => [id, Number(number)]));
    for (const { letterId } of rows) numbers.push(byId.get(letterId) ?? 0);
  } finally {
    await session.close();
  }
  return numbers;
}

const UNSAID = {
  code: 'UNSTORABLE',
  objectId: undefined,
  objectType: undefined,
  version: undefined,
  partition: undefined,
  node: undefined,
  publishedAt: undefined,
  messageType: 'holdfast.commands.v1',
  replayOf: undefined,
  headers: {},
};

function made({ body, failedAt = new Date().toISOString() }: GivenLetter) {
  return { letterId: randomUUID(), failedAt, body: Buffer.from(body) };
}
