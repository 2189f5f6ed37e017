/**
 * Shows on standard error how far a long command is: on a terminal one line that is drawn again and again, elsewhere a
 * line every ten seconds, so that a log is not flooded. Other lines of the command are written above it.
 */
import { bytesText, countText, durationText, rateText } from './number-text.ts';
import type { Output } from './output.ts';

/** How far it is, asked for whenever it is drawn. */
export interface ProgressState {
  /** Bytes read, and in all where that is known. */
  readonly bytes: number;
  readonly bytesTotal: number | undefined;
  readonly done: number;
  /** Things that went wrong. */
  readonly wrong: number;
}

const DRAW_INTERVAL_MS = 100;
const LINE_INTERVAL_MS = 10_000;
const BAR_CELLS = 20;
/** Over how long the shown rate is taken: steady enough to be read, quick enough to show a stall. */
const RATE_WINDOW_MS = 3_000;

const ERASE_LINE = '\r\u001B[2K';

export class Progress {
  readonly #output: Output;
  readonly #unit: string;
  readonly #state: () => ProgressState;
  readonly #startedAt = performance.now();
  readonly #onTerminal: boolean;
  /** Past moments and what was done by then, for the rate. */
  #samples: { readonly at: number; readonly done: number }[] = [];
  #timer: NodeJS.Timeout | undefined;

  /** @param unit what is counted, in the plural. */
  constructor(output: Output, unit: string, state: () => ProgressState) {
    this.#output = output;
    this.#unit = unit;
    this.#state = state;
    this.#onTerminal = output.screen.isTTY === true;
  }

  start(): void {
    const interval = this.#onTerminal ? DRAW_INTERVAL_MS : LINE_INTERVAL_MS;
    this.#timer = setInterval(() => this.#show(), interval);
    this.#timer.unref();
    if (!this.#onTerminal) return;
    this.#output.surroundNotes({
      before: () => this.#output.screen.write(ERASE_LINE),
      after: () => this.#draw(),
    });
  }

  /** Takes the line away. Safe twice. */
  stop(): void {
    clearInterval(this.#timer);
    if (this.#timer === undefined || !this.#onTerminal) return;
    this.#timer = undefined;
    this.#output.surroundNotes(undefined);
    this.#output.screen.write(ERASE_LINE);
  }

  #show(): void {
    if (this.#onTerminal) this.#draw();
    else this.#output.note(this.#text());
  }

  #draw(): void {
    const columns = this.#output.screen.columns ?? 80;
    // A line that wraps could not be erased.
    this.#output.screen.write(ERASE_LINE + this.#text().slice(0, Math.max(10, columns - 1)));
  }

  #text(): string {
    const { bytes, bytesTotal, done, wrong } = this.#state();
    const now = performance.now();
    const parts: string[] = [];
    if (bytesTotal !== undefined && bytesTotal > 0) {
      const share = Math.min(1, bytes / bytesTotal);
      const percent = `${Math.floor(share * 100)}%`.padStart(4);
      parts.push(this.#onTerminal ? `${bar(share)} ${percent}` : percent.trim());
    } else {
      parts.push(bytesText(bytes));
    }
    parts.push(`${countText(done)} ${this.#unit}`, this.#rate(now, done));
    const elapsedMs = now - this.#startedAt;
    if (bytesTotal !== undefined && bytes > 0 && elapsedMs > 1_000) {
      parts.push(`${durationText((elapsedMs * (bytesTotal - bytes)) / bytes)} left`);
    }
    if (wrong > 0) parts.push(`${countText(wrong)} bad`);
    return parts.join('  ');
  }

  #rate(now: number, done: number): string {
    this.#samples = this.#samples.filter(({ at }) => at >= now - RATE_WINDOW_MS);
    this.#samples.push({ at: now, done });
    const [oldest] = this.#samples;
    if (oldest === undefined || now - oldest.at < DRAW_INTERVAL_MS / 2) {
      return rateText(done, now - this.#startedAt);
    }
    return rateText(done - oldest.done, now - oldest.at);
  }
}

function bar(share: number): string {
  const full = Math.round(share * BAR_CELLS);
  return '█'.repeat(full) + '░'.repeat(BAR_CELLS - full);
}
