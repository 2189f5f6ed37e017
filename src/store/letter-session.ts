/** One connection through which letters are moved into their table. */
import { insertLetters } from './insert-letters.ts';
import type { LetterRow, LetterSession } from './letter-row.ts';
import { ReadSession } from './read-session.ts';

export class PostgresLetterSession extends ReadSession implements LetterSession {
  async insertLetters(letters: readonly LetterRow[]): Promise<number> {
    return await this.run((connection) => insertLetters(connection, letters));
  }
}
