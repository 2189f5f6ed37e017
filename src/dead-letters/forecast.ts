/**
 * What a replay would do, without doing it: each write against the state that is stored, and that the letters before it
 * would leave. What only trying can tell is not in it: a constraint or a trigger of the table.
 */
import { createHash } from 'node:crypto';
import { compareContents } from '../store/compare-contents.ts';
import type { Queryable } from '../store/connection.ts';
import { readStates } from '../store/read-states.ts';
import { NEVER_STORED, type ObjectRow, type StoredState } from '../store/store.ts';
import { StoreError } from '../store/store-error.ts';
import type { WholeLetter } from '../store/stored-letter.ts';
import {
  faultOf,
  type LetterContent,
  type LetterWrite,
  type ReadContentOptions,
  readContent,
} from './letter-content.ts';

/** What would become of one write. */
export type WriteForecast = 'applied' | 'superseded' | 'fenced' | 'conflict';

/**
 * What would become of a letter. Of several commands the one that most needs a decision counts.
 *
 * invalid: no worker would take it as it is. unheard: a load, whose answer nobody waits for. too-old: the tombstone of a
 * later delete may have been forgotten, so that it could resurrect the object.
 */
export type LetterOutcome = WriteForecast | 'invalid' | 'unheard' | 'too-old';

export interface LetterForecast {
  readonly letter: WholeLetter;
  readonly content: LetterContent;
  readonly outcome: LetterOutcome;
  /** What is known beyond the outcome, for a person. */
  readonly reason: string | undefined;
}

/** The version and epoch of an object, and whether it is live. */
export type ObjectState = Pick<StoredState, 'live' | 'version' | 'epoch'>;

/** The order of DESIGN 2.4. `same-version`: the contents decide, `applied` if they are equal, else `conflict`. */
export function forecastWrite(
  { live, version: stored, epoch: storedEpoch }: ObjectState,
  { version, epoch, ifVersion }: LetterWrite['command'],
): WriteForecast | 'same-version' {
  if (epoch < storedEpoch) return 'fenced';
  if (version === stored) return 'same-version';
  const met = ifVersion === undefined || (ifVersion === 0 ? !live : live && stored === ifVersion);
  if (!met) return 'conflict';
  return version < stored ? 'superseded' : 'applied';
}

/** Where the content of a state comes from: the database, a letter of this page, or one before, of which a digest is left. */
type Content = 'stored' | ObjectRow | { readonly digest: string };

interface ExpectedState extends ObjectState {
  readonly content: Content;
}

/** States that letters would leave, kept from page to page. A state is some 200 bytes; the longest unused are forgotten. */
const STATES_MAX = 100_000;

export interface ForecastOptions extends ReadContentOptions {
  readonly tombstoneRetentionMs: number;
  /** Milliseconds since 1970. */
  readonly nowMs?: () => number;
}

/** Forecasts the letters of one run, page by page, in the order of their replay. */
export class Forecaster {
  readonly #connection: Queryable;
  readonly #options: ForecastOptions;
  readonly #expected = new Map<string, ExpectedState>();

  constructor(connection: Queryable, options: ForecastOptions) {
    this.#connection = connection;
    this.#options = options;
  }

  /** One forecast for each letter, in order. @throws StoreError */
  async forecast(letters: readonly WholeLetter[]): Promise<LetterForecast[]> {
    const read = letters.map((letter) => ({
      letter,
      content: readContent(letter, this.#options),
    }));
    const ids = new Set(read.flatMap(({ content }) => content.writes.map(({ command }) => command.id)));
    const stored = ids.size === 0 ? new Map() : await readStates(this.#connection, [...ids]);
    const forecasts: LetterForecast[] = [];
    for (const { letter, content } of read) forecasts.push(await this.#letter(letter, content, stored));
    this.#digest(ids);
    return forecasts;
  }

  async #letter(
    letter: WholeLetter,
    content: LetterContent,
    stored: ReadonlyMap<string, StoredState>,
  ): Promise<LetterForecast> {
    const fault = faultOf(content);
    if (fault !== undefined) {
      return { letter, content, outcome: 'invalid', reason: `${fault.message} (${fault.code})` };
    }
    if (content.writes.length === 0) {
      return { letter, content, outcome: 'unheard', reason: 'nobody waits for a load any more' };
    }
    const { tombstoneRetentionMs, nowMs = Date.now } = this.#options;
    const unknown = content.writes.find(
      ({ command: { id } }) =>
        !this.#expected.has(id) &&
        isUnknown(stored.get(id)) &&
        isPastRetention(letter, id, tombstoneRetentionMs, nowMs()),
    );
    if (unknown !== undefined) {
      const reason = `a delete of ${JSON.stringify(unknown.command.id)} after it may have been forgotten`;
      return { letter, content, outcome: 'too-old', reason };
    }
    const outcomes: WriteForecast[] = [];
    for (const write of content.writes) outcomes.push(await this.#write(letter, write, stored));
    const outcome = GRAVEST.find((each) => outcomes.includes(each)) ?? 'applied';
    return { letter, content, outcome, reason: partsText(outcomes, content) };
  }

  async #write(
    letter: WholeLetter,
    write: LetterWrite,
    stored: ReadonlyMap<string, StoredState>,
  ): Promise<WriteForecast> {
    const { command } = write;
    const expected = this.#expected.get(command.id) ?? {
      ...(stored.get(command.id) ?? NEVER_STORED),
      content: 'stored',
    };
    const row = command.action === 'save' ? rowOf(letter, write, command.type) : undefined;
    const judged = forecastWrite(expected, command);
    if (judged === 'same-version')
      return (await this.#isSame(row, expected, command)) ? 'applied' : 'conflict';
    if (judged === 'applied') {
      const { version, epoch } = command;
      this.#expected.delete(command.id);
      this.#expected.set(command.id, { live: row !== undefined, version, epoch, content: row ?? 'stored' });
    }
    return judged;
  }

  async #isSame(
    row: ObjectRow | undefined,
    { live, content }: ExpectedState,
    { id }: LetterWrite['command'],
  ): Promise<boolean> {
    if (row === undefined) return !live;
    if (!live) return false;
    if (content !== 'stored' && 'digest' in content) return content.digest === digestOf(row);
    const asker = { id };
    try {
      const answers = await compareContents(this.#connection, [{ asker, row, against: content }]);
      return answers.get(asker) === true;
    } catch (error) {
      // What cannot even be read as jsonb is not what is stored.
      if (error instanceof StoreError && error.failure === 'row') return false;
      throw error;
    }
  }

  /** Lets go of the bodies of the page. */
  #digest(ids: ReadonlySet<string>): void {
    for (const id of ids) {
      const state = this.#expected.get(id);
      if (state === undefined || state.content === 'stored' || 'digest' in state.content) continue;
      this.#expected.set(id, { ...state, content: { digest: digestOf(state.content) } });
    }
    for (const id of this.#expected.keys()) {
      if (this.#expected.size <= STATES_MAX) return;
      this.#expected.delete(id);
    }
  }
}

/** What needs a decision goes first. */
const GRAVEST: readonly WriteForecast[] = ['fenced', 'conflict', 'applied', 'superseded'];

function partsText(
  outcomes: readonly WriteForecast[],
  { invalid, loads }: LetterContent,
): string | undefined {
  if (outcomes.length + invalid.length + loads === 1) return undefined;
  const counts = new Map<string, number>();
  for (const outcome of outcomes) counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
  if (invalid.length > 0) counts.set('invalid', invalid.length);
  if (loads > 0) counts.set('left out (loads)', loads);
  return [...counts].map(([what, count]) => `${count} ${what}`).join(', ');
}

/** Whether nothing tells of a delete. A claim after a forgotten one leaves an epoch, but no version. */
function isUnknown(state: StoredState | undefined): boolean {
  return state === undefined || (!state.live && state.version === 0);
}

/**
 * Whether a delete of an object after this letter may have been forgotten. Of the object that the letter is about the
 * tombstone is kept from the moment the letter is in the table; of others in its bytes (a whole frame's, or an edit's)
 * it is not.
 */
export function isPastRetention(
  { objectId, publishedAt, failedAt, movedAt }: WholeLetter,
  id: string,
  tombstoneRetentionMs: number,
  nowMs: number,
): boolean {
  const fromMs = Math.min(Date.parse(failedAt), Date.parse(publishedAt ?? failedAt));
  const untilMs = objectId === id ? Date.parse(movedAt) : nowMs;
  return untilMs - fromMs > tombstoneRetentionMs;
}

function rowOf(
  { body }: WholeLetter,
  { command, documentStart, documentEnd }: LetterWrite,
  type: string,
): ObjectRow {
  const { id, version, epoch } = command;
  return { id, type, version, epoch, nextRcseq: 0, body, documentStart, documentEnd };
}

function digestOf({ type, body, documentStart, documentEnd }: ObjectRow): string {
  return createHash('sha256')
    .update(`${type}\n`)
    .update(body.subarray(documentStart, documentEnd))
    .digest('base64');
}
