/** A dead letter on its way into the table. */

/** All texts are well-formed, without U+0000. */
export interface LetterRow {
  /** UUID in lower case. */
  readonly letterId: string;
  /** ISO 8601; also below. */
  readonly failedAt: string;
  readonly publishedAt: string | undefined;
  readonly code: string;
  /** At most 255 characters; also type and node. */
  readonly objectId: string | undefined;
  readonly objectType: string | undefined;
  readonly version: number | undefined;
  readonly partition: string | undefined;
  readonly node: string | undefined;
  readonly messageType: string | undefined;
  /** The letter whose replay failed and became this one; it is closed if it has the same bytes. */
  readonly replayOf: string | undefined;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Buffer;
}

/** Puts letters into their table. */
export interface LetterSession {
  /** Puts letters into the table; those that are there already are left alone, unless they were closed before they failed. Returns how many are open now and were not. @throws StoreError */
  insertLetters(letters: readonly LetterRow[]): Promise<number>;
  close(): Promise<void>;
}

export interface LetterStore {
  openLetterSession(): LetterSession;
}
