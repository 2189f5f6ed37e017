/** The store on PostgreSQL. */
import { Connection, type ConnectionOptions } from './connection.ts';
import type { LetterSession, LetterStore } from './letter-row.ts';
import { PostgresLetterSession } from './letter-session.ts';
import { ReadSession as PostgresReadSession } from './read-session.ts';
import type { ReadSession, Store, SuspectSession, WriteSession } from './store.ts';
import { PostgresSuspectSession } from './suspect-session.ts';
import { PostgresWriteSession } from './write-session.ts';

export interface PostgresStoreOptions extends ConnectionOptions {
  /** From how many rows on a batch is sent by COPY into a temporary table instead of by arrays. */
  readonly copyRowsMin: number;
}

export class PostgresStore implements Store, LetterStore {
  readonly #options: PostgresStoreOptions;

  constructor(options: PostgresStoreOptions) {
    this.#options = options;
  }

  openWriteSession(): WriteSession {
    const options = { ...this.#options, genericPlans: true };
    return new PostgresWriteSession(() => Connection.open(options), this.#options.copyRowsMin);
  }

  openReadSession(): ReadSession {
    return new PostgresReadSession(() => Connection.open(this.#options));
  }

  openSuspectSession(): SuspectSession {
    return new PostgresSuspectSession(() => Connection.open(this.#options));
  }

  openLetterSession(): LetterSession {
    return new PostgresLetterSession(() => Connection.open(this.#options));
  }
}
