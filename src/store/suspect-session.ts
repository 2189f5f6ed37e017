/** The connection on which suspects are noted: never inside a batch's transaction, which may be rolled back. */
import { beginSuspects } from './begin-suspects.ts';
import { endSuspects } from './end-suspects.ts';
import { ReadSession } from './read-session.ts';
import type { SuspectNote, SuspectSession } from './store.ts';
import { withdrawSuspects } from './withdraw-suspects.ts';

export class PostgresSuspectSession extends ReadSession implements SuspectSession {
  async beginSuspects(notes: readonly SuspectNote[]): Promise<number[]> {
    return await this.run((connection) => beginSuspects(connection, notes));
  }

  async withdrawSuspects(beginningIds: readonly string[]): Promise<void> {
    await this.run((connection) => withdrawSuspects(connection, beginningIds));
  }

  async endSuspects(frameIds: readonly string[]): Promise<void> {
    await this.run((connection) => endSuspects(connection, frameIds));
  }
}
