/**
 * One replay: takes open letters page by page, the oldest first, publishes their commands, waits for the answers of the
 * workers and only then closes them. Whatever interrupts it, letters without a note stay open; run again, a command that
 * was applied already is `applied` once more or `superseded`, and the guard keeps it from overwriting anything newer.
 */
import { pause } from '../broker/backoff.ts';
import type { ReplyLine } from '../contract/reply.ts';
import { type AuditBegin, beginAudit } from '../store/begin-audit.ts';
import type { Queryable } from '../store/connection.ts';
import { countLetters } from '../store/count-letters.ts';
import type { LetterFilter } from '../store/letter-filter.ts';
import { noteAudit } from '../store/note-audit.ts';
import { noteReplays, type ReplayNote } from '../store/note-replays.ts';
import type { LetterPosition } from '../store/page-letters.ts';
import type { WholeLetter } from '../store/stored-letter.ts';
import { takeLetters } from '../store/take-letters.ts';
import { Forecaster, type ForecastOptions, type LetterForecast, type LetterOutcome } from './forecast.ts';
import { replayFrames } from './replay-frames.ts';
import type { ReplayLink } from './replay-link.ts';

/** What became of a letter. The first three close it. */
export type ReplayOutcome =
  | 'applied'
  | 'superseded'
  | 'rejected'
  | Exclude<LetterOutcome, 'applied' | 'superseded'>;

export const CLOSING_OUTCOMES: readonly ReplayOutcome[] = ['applied', 'superseded', 'rejected'];
const REPLAY_OUTCOMES: readonly ReplayOutcome[] = [
  ...CLOSING_OUTCOMES,
  'fenced',
  'conflict',
  'invalid',
  'unheard',
  'too-old',
];

export interface ReplayOptions extends ForecastOptions {
  readonly filter: LetterFilter;
  /** Most letters to be sent; those that are left out do not count. */
  readonly limit?: number | undefined;
  /** Most letters a second. */
  readonly rate?: number | undefined;
  /** Send what is too old as well. */
  readonly force?: boolean | undefined;
  readonly partitions: number;
  /** Ends the run when everything that was sent is answered and noted. */
  readonly signal: AbortSignal;
  readonly audit: Pick<AuditBegin, 'who' | 'filter'>;
}

/** In flight at once, and lost to a SIGKILL at worst: that many are published once more by the next run. */
const PAGE = { lettersMax: 500, bytesMax: 8 * 1_048_576 };

const BEGIN = { text: 'BEGIN' };
const COMMIT = { text: 'COMMIT' };

export class ReplayRun {
  readonly #connection: Queryable;
  readonly #options: ReplayOptions;
  readonly tally: Record<ReplayOutcome, number> = {
    applied: 0,
    superseded: 0,
    rejected: 0,
    fenced: 0,
    conflict: 0,
    invalid: 0,
    unheard: 0,
    'too-old': 0,
  };
  /** Letters that the filter means, once that is counted. */
  total = 0;
  #sent = 0;

  /** @param connection that has the replay lock. */
  constructor(connection: Queryable, options: ReplayOptions) {
    this.#connection = connection;
    this.#options = options;
  }

  /** Letters looked at so far. */
  get done(): number {
    return REPLAY_OUTCOMES.reduce((sum, outcome) => sum + this.tally[outcome], 0);
  }

  /** Says what a replay would do, and does nothing. @throws StoreError */
  async forecast(onForecast?: (forecast: LetterForecast) => void): Promise<void> {
    const forecaster = new Forecaster(this.#connection, this.#options);
    for await (const letters of this.#pages()) {
      for (const forecast of await forecaster.forecast(letters)) {
        if (this.#limitReached) return;
        if (isWorthSending(forecast.outcome) || this.#isForced(forecast)) this.#sent += 1;
        this.tally[forecast.outcome] += 1;
        onForecast?.(forecast);
      }
    }
  }

  /**
   * Replays.
   *
   * @throws HoldfastError if a server is lost or no worker answers; what was answered before is noted, the rest stays open.
   */
  async replay(link: ReplayLink): Promise<void> {
    const { audit } = this.#options;
    const auditId = await beginAudit(this.#connection, { ...audit, action: 'replay', counts: {} });
    const pacer = new Pacer(this.#options.rate);
    for await (const letters of this.#pages()) {
      // Anew for each page: what the page before would have left is stored by now.
      const forecaster = new Forecaster(this.#connection, this.#options);
      const forecasts = await forecaster.forecast(letters);
      await this.#replayPage(forecasts, link, pacer, auditId);
      if (this.#limitReached || this.#options.signal.aborted) break;
    }
    await noteAudit(this.#connection, auditId, this.#counts(), true);
  }

  async *#pages(): AsyncGenerator<WholeLetter[]> {
    const { filter, rate } = this.#options;
    // What is refused again comes back as a new letter, which is not for this run.
    const { count, numberMax } = await countLetters(this.#connection, filter);
    this.total = count;
    // At a low rate an answer is noted within a second or so.
    const lettersMax = Math.max(1, Math.min(PAGE.lettersMax, Math.ceil(rate ?? PAGE.lettersMax)));
    let behind: LetterPosition | undefined;
    while (!this.#limitReached && !this.#options.signal.aborted) {
      const limits = { ...PAGE, lettersMax };
      const letters = await takeLetters(this.#connection, { ...filter, numberMax }, behind, limits);
      const last = letters.at(-1);
      if (last === undefined) return;
      yield letters;
      behind = last;
    }
  }

  async #replayPage(
    forecasts: readonly LetterForecast[],
    link: ReplayLink,
    pacer: Pacer,
    auditId: number,
  ): Promise<void> {
    const { signal } = this.#options;
    const notes: ReplayNote[] = [];
    const sending: Promise<void>[] = [];
    let failure: Error | undefined;
    for (const forecast of forecasts) {
      if (!isWorthSending(forecast.outcome) && !this.#isForced(forecast)) {
        this.tally[forecast.outcome] += 1;
        continue;
      }
      if (this.#limitReached) break;
      await pacer.next(signal);
      if (signal.aborted || failure !== undefined) break;
      this.#sent += 1;
      const sent = this.#send(forecast, link).then(
        (outcome) => {
          this.tally[outcome] += 1;
          notes.push({
            number: forecast.letter.number,
            outcome,
            closes: CLOSING_OUTCOMES.includes(outcome),
          });
        },
        (error: unknown) => {
          failure ??= error instanceof Error ? error : new Error(String(error));
        },
      );
      sending.push(sent);
    }
    await Promise.all(sending);
    await this.#connection.query(BEGIN);
    if (notes.length > 0) await noteReplays(this.#connection, notes);
    await noteAudit(this.#connection, auditId, this.#counts(), false);
    await this.#connection.query(COMMIT);
    if (failure !== undefined) throw failure;
  }

  async #send({ letter, content }: LetterForecast, link: ReplayLink): Promise<ReplayOutcome> {
    const origin = originOf(letter);
    const frames = replayFrames(letter, content, this.#options.partitions);
    const replies = await Promise.all(frames.map((frame) => link.send(frame, origin)));
    return outcomeOf(replies.flat());
  }

  get #limitReached(): boolean {
    return this.#sent >= (this.#options.limit ?? Number.POSITIVE_INFINITY);
  }

  #isForced({ outcome }: LetterForecast): boolean {
    return outcome === 'too-old' && this.#options.force === true;
  }

  #counts(): Record<string, number> {
    return Object.fromEntries(Object.entries(this.tally).filter(([, count]) => count > 0));
  }
}

/** Everything that a worker decides about: between the forecast and the worker a state may change. */
function isWorthSending(outcome: LetterOutcome): boolean {
  return outcome !== 'invalid' && outcome !== 'unheard' && outcome !== 'too-old';
}

/** What the answers to all commands of a letter come to. What is rejected is in a new letter; what is refused is nowhere else. */
export function outcomeOf(lines: readonly ReplyLine[]): ReplayOutcome {
  const has = (outcome: ReplyLine['outcome']): boolean => lines.some((line) => line.outcome === outcome);
  if (has('fenced')) return 'fenced';
  if (has('conflict')) return 'conflict';
  if (has('rejected')) return 'rejected';
  return has('applied') ? 'applied' : 'superseded';
}

/** Node and time of the first publishing: a letter made of it again tells the same. */
export function originOf({ node, publishedAt, failedAt }: WholeLetter) {
  return {
    node: node ?? undefined,
    timestamp: Math.floor(Date.parse(publishedAt ?? failedAt) / 1_000),
  };
}

/** Lets so many a second go, evenly. */
class Pacer {
  readonly #intervalMs: number;
  #nextAt = 0;

  constructor(rate: number | undefined) {
    this.#intervalMs = rate === undefined ? 0 : 1_000 / rate;
  }

  async next(signal: AbortSignal): Promise<void> {
    if (this.#intervalMs === 0) return;
    const now = performance.now();
    if (this.#nextAt > now) await pause(this.#nextAt - now, signal);
    this.#nextAt = Math.max(this.#nextAt, now) + this.#intervalMs;
  }
}
