/**
 * What a command writes: data to standard output, everything that is meant for a person to standard error. Waits while a
 * pipe is full, and survives a reader that has gone away: writing then does nothing, and `closed` tells loops to end.
 */
import { CommandFailure } from './command-failure.ts';
import { EXIT_CODES } from './exit-code.ts';

export type Colour = 'green' | 'yellow' | 'red' | 'bold' | 'dim';

const SEQUENCES: Readonly<Record<Colour, readonly [on: number, off: number]>> = {
  green: [32, 39],
  yellow: [33, 39],
  red: [31, 39],
  bold: [1, 22],
  dim: [2, 22],
};

/** What is needed of a standard stream; what only a terminal has may be missing. */
export interface OutputStream {
  write(data: string | Uint8Array, written?: () => void): boolean;
  on(event: 'drain' | 'error', listener: (error: NodeJS.ErrnoException) => void): unknown;
  off(event: 'drain' | 'error', listener: () => void): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
  hasColors?(): boolean;
}

export class Output {
  readonly #out: OutputStream;
  readonly #err: OutputStream;
  #closed = false;
  #failure: NodeJS.ErrnoException | undefined;
  /** Called around every line on standard error, so that a progress bar is not written into. */
  #around: { readonly before: () => void; readonly after: () => void } | undefined;

  constructor(out: OutputStream = process.stdout, err: OutputStream = process.stderr) {
    this.#out = out;
    this.#err = err;
    out.on('error', (error: NodeJS.ErrnoException) => {
      this.#closed = true;
      if (error.code !== 'EPIPE') this.#failure ??= error;
    });
    // Whoever does not want to hear what went wrong still gets the exit code.
    err.on('error', () => undefined);
  }

  /** Whether nobody reads standard output any more, as behind `| head`. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Standard error, where a progress bar is drawn. */
  get screen(): OutputStream {
    return this.#err;
  }

  /** Writes lines to standard output; waits while its buffer is full. */
  async print(...lines: readonly string[]): Promise<void> {
    if (lines.length > 0) await this.write(`${lines.join('\n')}\n`);
  }

  /** Writes to standard output as it is; waits while its buffer is full. */
  async write(data: string | Uint8Array): Promise<void> {
    if (this.#closed || this.#out.write(data)) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        this.#out.off('drain', done);
        this.#out.off('error', done);
        resolve();
      };
      this.#out.on('drain', done);
      this.#out.on('error', done);
    });
  }

  /** One value as one line of JSON. */
  async printJson(value: unknown): Promise<void> {
    await this.print(JSON.stringify(value));
  }

  /** Writes one line to standard error. */
  note(line: string): void {
    this.#around?.before();
    this.#err.write(`${line}\n`);
    this.#around?.after();
  }

  /** Has something done before and after every line on standard error; `undefined` ends that. */
  surroundNotes(around: { readonly before: () => void; readonly after: () => void } | undefined): void {
    this.#around = around;
  }

  /** The text in a colour, if standard output is a terminal that has them (and NO_COLOR is not set). */
  paint(colour: Colour, text: string): string {
    if (this.#out.isTTY !== true || this.#out.hasColors?.() !== true) return text;
    const [on, off] = SEQUENCES[colour];
    return `\u001B[${on}m${text}\u001B[${off}m`;
  }

  get isTerminal(): boolean {
    return this.#out.isTTY === true;
  }

  /** Empties the screen before the next picture, where there is a screen. */
  clearScreen(): void {
    if (this.isTerminal) this.#out.write('\u001B[H\u001B[2J');
  }

  /** Resolves when everything is written. @throws CommandFailure if it could not be, for example onto a full disk. */
  async finish(): Promise<void> {
    if (!this.#closed) await new Promise<void>((resolve) => this.#out.write('', () => resolve()));
    if (this.#failure === undefined) return;
    throw new CommandFailure(
      EXIT_CODES.outputFailed,
      `standard output could not be written (${this.#failure.code ?? this.#failure.message})`,
      'What was printed is incomplete; make room and run it again',
      { cause: this.#failure },
    );
  }
}
