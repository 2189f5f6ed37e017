/** One connection through which letters are moved into their table. */
import { closeRefusedAgain } from './close-refused-again.ts';
import type { Connection } from './connection.ts';
import { insertLetters } from './insert-letters.ts';
import type { LetterRow, LetterSession } from './letter-row.ts';
import { ReadSession } from './read-session.ts';
import { StoreError } from './store-error.ts';

export class PostgresLetterSession extends ReadSession implements LetterSession {
  async insertLetters(letters: readonly LetterRow[]): Promise<number> {
    return await this.run((connection) => insert(connection, letters));
  }
}

async function insert(connection: Connection, letters: readonly LetterRow[]): Promise<number> {
  const refused = letters.flatMap(({ letterId, replayOf, body }) =>
    replayOf === undefined ? [] : [{ letterId: replayOf, newId: letterId, body }],
  );
  if (refused.length === 0) return await insertLetters(connection, letters);
  // The new letter is there if, and only if, the old one is closed.
  try {
    await connection.query({ text: 'BEGIN' });
    const count = await insertLetters(connection, letters);
    await closeRefusedAgain(connection, refused);
    await connection.query({ text: 'COMMIT' });
    return count;
  } catch (error) {
    await rollBack(connection);
    throw error;
  }
}

/** Leaves the connection outside any transaction, or unusable; never throws. */
async function rollBack(connection: Connection): Promise<void> {
  if (!connection.usable) return;
  try {
    await connection.query({ text: 'ROLLBACK' });
  } catch (error) {
    if (!(error instanceof StoreError) || connection.usable) connection.destroy();
  }
}
