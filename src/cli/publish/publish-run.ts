/**
 * Reads an input to its end and hands its commands over, as fast as they are taken and no faster. Stops early for a
 * signal, for too many bad lines, or for an error that every further command would meet as well; what was begun is
 * finished in any case.
 */
import type { ErrorCode } from '../../contract/errors.ts';
import { HoldfastError } from '../../contract/errors.ts';
import { commandFaultText } from '../command-failure.ts';
import type { Output } from '../output.ts';
import { ArraySplitter } from './array-splitter.ts';
import { LineSplitter } from './line-splitter.ts';
import type { Input } from './open-input.ts';
import { type Piece, type Place, placeText, type Splitter } from './piece.ts';
import type { DeleteRecord, InputRecord, SaveRecord } from './record.ts';
import type { RecordReader } from './record-reader.ts';
import { Window } from './window.ts';

/** Takes a command and resolves when it is safe; rejects if it failed. Calls for one object keep their order. */
export type Publish = (record: SaveRecord | DeleteRecord) => Promise<void>;

export interface PublishRunOptions {
  readonly input: Input;
  readonly reader: RecordReader;
  readonly output: Output;
  readonly publish: Publish;
  /** Longest line or element that is read into memory. */
  readonly pieceBytesMax: number;
  /** Stop after so many bad lines. */
  readonly badMax: number | undefined;
  /** Stops the reading. */
  readonly signal: AbortSignal;
}

/** How it stands, and at the end how it went. */
export interface Tally {
  bytes: number;
  saves: number;
  deletes: number;
  /** Lines that cannot be published. */
  bad: number;
  /** Commands that were refused. */
  failed: number;
  /** Commands of which nobody can say whether they were applied, or will be. */
  unknown: number;
}

/** Commands on their way. Far more than one frame for each of 64 partitions needs, and still little memory. */
const WINDOW_COMMANDS_MAX = 16_384;
const WINDOW_BYTES_MAX = 33_554_432;

/** Codes that every further command would meet as well. */
const GENERAL_CODES: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'TIMEOUT',
  'UNROUTABLE',
  'CLOSED',
  'OVERLOADED',
  'BROKER_UNAVAILABLE',
  'BROKER_REFUSED',
  'BROKER_TOPOLOGY',
]);

/** Codes behind which a command may have been applied, or may be later. */
const UNKNOWN_CODES: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['TIMEOUT', 'UNAVAILABLE']);

const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);
const OPEN_BRACKET = 0x5b;
const WHITE_SPACE = Buffer.from(' \t\r\n');

export class PublishRun {
  readonly tally: Tally = { bytes: 0, saves: 0, deletes: 0, bad: 0, failed: 0, unknown: 0 };
  /** Why nothing more of the input was read, if it was not read to its end. */
  inputFault: string | undefined;
  /** An error that every further command would meet as well. */
  generalError: HoldfastError | undefined;
  readonly #options: PublishRunOptions;
  readonly #window = new Window(WINDOW_COMMANDS_MAX, WINDOW_BYTES_MAX);
  /** Until it is known what is cut, and where it turns out to be lines. */
  readonly #lines: LineSplitter;
  #splitter: Splitter | undefined;
  #tooManyBad = false;

  constructor(options: PublishRunOptions) {
    this.#options = options;
    this.#lines = new LineSplitter(options.pieceBytesMax);
  }

  /** Resolves when everything that was begun is finished. @throws CommandFailure if the input cannot be used at all. */
  async run(): Promise<void> {
    try {
      await this.#readAll();
    } finally {
      await this.#window.empty();
    }
  }

  /** Counts a failure of a command that had been taken for safe. */
  noteFailure(what: string, message: string): void {
    this.tally.failed += 1;
    this.#options.output.note(`${what} failed: ${message}`);
  }

  get #stopped(): boolean {
    return this.#options.signal.aborted || this.generalError !== undefined || this.#tooManyBad;
  }

  async #readAll(): Promise<void> {
    const { input, signal, reader } = this.#options;
    const { stream } = input;
    const stop = (): void => void stream.destroy();
    signal.addEventListener('abort', stop);
    try {
      for await (const chunk of stream) {
        await this.#readChunk(chunk as Buffer);
        if (this.#stopped || this.inputFault !== undefined) return;
      }
      await this.#take((this.#splitter ?? this.#lines).end());
      for (const record of reader.end()) this.#begin(record);
      this.inputFault = this.#splitter?.fault;
    } catch (error) {
      if (signal.aborted) return;
      const { code } = error as NodeJS.ErrnoException;
      if (code === undefined) throw error;
      this.inputFault = `${input.name} cannot be read any further (${code})`;
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  async #readChunk(chunk: Buffer): Promise<void> {
    const isFirst = this.tally.bytes === 0;
    this.tally.bytes += chunk.length;
    const content = isFirst && chunk.subarray(0, 3).equals(BYTE_ORDER_MARK) ? chunk.subarray(3) : chunk;
    this.#splitter ??= this.#chooseSplitter(content);
    const splitter = this.#splitter ?? this.#lines;
    await this.#take(splitter.push(content));
    this.inputFault = splitter.fault;
  }

  /** By the first byte that is not white space, in whatever chunk that is; what is before it counts as lines. */
  #chooseSplitter(chunk: Buffer): Splitter | undefined {
    const first = chunk.find((byte) => !WHITE_SPACE.includes(byte));
    if (first === undefined) return undefined;
    if (first !== OPEN_BRACKET) return this.#lines;
    return new ArraySplitter(this.#options.pieceBytesMax, this.#lines.line);
  }

  async #take(pieces: readonly Piece[]): Promise<void> {
    for (const piece of pieces) {
      for (const record of this.#options.reader.read(piece)) this.#begin(record);
      if (this.#window.full) await this.#window.room();
      if (this.#stopped) return;
    }
  }

  #begin(record: InputRecord): void {
    if (record.kind === 'bad') {
      this.tally.bad += 1;
      this.#options.output.note(`${placeText(record)}: ${record.message} (${record.code})`);
      this.#tooManyBad = this.#options.badMax !== undefined && this.tally.bad >= this.#options.badMax;
      return;
    }
    this.#window.enter(record.byteLength);
    this.#options
      .publish(record)
      .then(
        () => {
          this.tally[record.kind === 'save' ? 'saves' : 'deletes'] += 1;
        },
        (error: unknown) => this.#fail(record, error),
      )
      .finally(() => this.#window.leave(record.byteLength));
  }

  #fail(record: (SaveRecord | DeleteRecord) & Place, error: unknown): void {
    if (!(error instanceof HoldfastError)) throw error;
    const isUnknown = UNKNOWN_CODES.has(error.code);
    this.tally[isUnknown ? 'unknown' : 'failed'] += 1;
    const what = isUnknown ? 'fate unknown, may be applied later' : 'not published';
    if (GENERAL_CODES.has(error.code)) {
      // The others on their way meet the same; one line says it all.
      if (this.generalError === undefined) {
        this.generalError = error;
        this.#options.output.note(`${placeText(record)}: ${what}; nothing behind is read any more`);
      }
      return;
    }
    const fault = `${isUnknown ? what : 'failed'}: ${commandFaultText(error)}`;
    this.#options.output.note(
      `${placeText(record)}: ${record.kind} of ${JSON.stringify(record.id)} ${fault}`,
    );
  }
}
