/** The connection on which suspects are noted: never inside a batch's transaction, which may be rolled back. */
import { beginSuspect } from './begin-suspect.ts';
import { endSuspect } from './end-suspect.ts';
import { ReadSession } from './read-session.ts';
import type { SuspectNote, SuspectSession } from './store.ts';
import { withdrawSuspects } from './withdraw-suspects.ts';

export class PostgresSuspectSession extends ReadSession implements SuspectSession {
  async beginSuspect(note: SuspectNote): Promise<number> {
    return await this.run((connection) => beginSuspect(connection, note));
  }

  async withdrawSuspects(beginningIds: readonly string[]): Promise<void> {
    await this.run((connection) => withdrawSuspects(connection, beginningIds));
  }

  async endSuspect(frameId: string): Promise<void> {
    await this.run((connection) => endSuspect(connection, frameId));
  }
}
