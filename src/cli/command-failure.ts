/**
 * Turns whatever was thrown into the one line that a person reads, and into the exit code that a script reads. Operating
 * errors are told without a stack; only a bug shows one.
 */
import { type ErrorCode, HoldfastError } from '../contract/errors.ts';
import { redactText } from '../telemetry/redact-url.ts';
import { EXIT_CODES, type ExitCode } from './exit-code.ts';

/** A command cannot go on, for a reason that the command itself knows. */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure';
  readonly exitCode: ExitCode;
  /** What to do about it. */
  readonly advice: string;

  /** @param what and `advice`: phrases without a full stop at the end. */
  constructor(exitCode: ExitCode, what: string, advice: string, options: { cause?: unknown } = {}) {
    super(what, options.cause === undefined ? undefined : { cause: options.cause });
    this.exitCode = exitCode;
    this.advice = advice;
  }
}

/** The command line is wrong in a way that only the command can know. */
export function usageFailure(what: string, advice: string): CommandFailure {
  return new CommandFailure(EXIT_CODES.usage, what, advice);
}

interface Meaning {
  readonly exitCode: ExitCode;
  readonly advice: string;
}

const TRY_AGAIN_LATER = 'Try again later; holdfast doctor says what is wrong';

/** What to do about each code. Codes that are not here belong to one command each, which is told with its line. */
const MEANINGS: Readonly<Partial<Record<ErrorCode, Meaning>>> = {
  CONFIG_INVALID: {
    exitCode: EXIT_CODES.configuration,
    advice: 'Correct it; docs/options.md lists every option',
  },
  BROKER_UNAVAILABLE: { exitCode: EXIT_CODES.unavailable, advice: TRY_AGAIN_LATER },
  BROKER_REFUSED: {
    exitCode: EXIT_CODES.configuration,
    advice: 'Give the user of amqpUrl this right, or name another user; holdfast doctor checks all rights',
  },
  BROKER_TOPOLOGY: {
    exitCode: EXIT_CODES.configuration,
    advice: 'holdfast topology --check shows what is missing or different',
  },
  STORE_UNAVAILABLE: { exitCode: EXIT_CODES.unavailable, advice: TRY_AGAIN_LATER },
  STORE_CONTENDED: { exitCode: EXIT_CODES.unfinished, advice: 'Others were writing; run it again' },
  STORE_MISCONFIGURED: {
    exitCode: EXIT_CODES.configuration,
    advice: 'holdfast doctor checks database, schema and rights',
  },
  SCHEMA_OUTDATED: {
    exitCode: EXIT_CODES.configuration,
    advice: 'holdfast migrate --dry-run lists what is missing',
  },
  TIMEOUT: {
    exitCode: EXIT_CODES.unavailable,
    advice: 'Is a worker running? holdfast status shows who consumes',
  },
  UNROUTABLE: {
    exitCode: EXIT_CODES.configuration,
    advice:
      'Run holdfast topology, or start a worker, with the same --prefix and --partitions as every other process',
  },
  OVERLOADED: { exitCode: EXIT_CODES.unavailable, advice: 'Workers do not keep up; try again later' },
  CLOSED: { exitCode: EXIT_CODES.unavailable, advice: TRY_AGAIN_LATER },
  UNAVAILABLE: { exitCode: EXIT_CODES.unavailable, advice: TRY_AGAIN_LATER },
};

/** How a command ended badly, ready to be shown. */
export interface FailureReport {
  /** One line, without "holdfast: ". */
  readonly line: string;
  readonly exitCode: ExitCode;
  /** Shown with `--verbose`, and always for a bug. */
  readonly stack: string | undefined;
}

export function reportFailure(error: unknown): FailureReport {
  const stack = stackOf(error);
  if (error instanceof CommandFailure) {
    return { line: sentences(error.message, error.advice), exitCode: error.exitCode, stack };
  }
  const meaning = error instanceof HoldfastError ? MEANINGS[error.code] : undefined;
  if (error instanceof HoldfastError && meaning !== undefined) {
    return { line: sentences(messageOf(error), meaning.advice), exitCode: meaning.exitCode, stack };
  }
  if (error instanceof HoldfastError) {
    const line = sentences(`${error.message} (${error.code})`, 'Correct the command');
    return { line, exitCode: EXIT_CODES.badInput, stack };
  }
  return {
    line: sentences(
      `internal error: ${messageOf(error)}`,
      'This is a bug; please report it with what follows',
    ),
    exitCode: EXIT_CODES.bug,
    stack,
  };
}

/** Whether an error is one that no further command can be expected to escape: a server, a right, the queues. */
export function isGeneral(error: unknown): error is HoldfastError {
  return error instanceof HoldfastError && MEANINGS[error.code] !== undefined;
}

/** What went wrong with one command among many: message, the version that is stored instead if it is known, code. */
export function commandFaultText(error: HoldfastError): string {
  const stored: unknown = 'storedVersion' in error ? error.storedVersion : undefined;
  const version = typeof stored === 'number' ? `, version ${stored}` : '';
  return `${messageOf(error)}${version} (${error.code})`;
}

/** The message of whatever was thrown, on one line and without passwords. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') {
    // A name with several addresses fails with one error for each and no message of its own.
    return error.errors.map(messageOf).join(', ');
  }
  const message = error instanceof Error ? error.message || error.name : String(error);
  return oneLine(AMQP_REPLY.exec(message)?.groups?.['text'] ?? message);
}

/** What amqplib puts around the words of the broker: `Channel closed by server: 403 (ACCESS-REFUSED) with message "…"`. */
const AMQP_REPLY = /: \d{3} \([A-Z-]+\) with message "(?:[A-Z_]+ - )?(?<text>.*)"$/s;

/** Two sentences, each with its mark at the end. */
function sentences(what: string, advice: string): string {
  return [what, advice].map((phrase) => ended(oneLine(phrase))).join(' ');
}

function ended(phrase: string): string {
  return /[.?!…]$/.test(phrase) ? phrase : `${phrase.replace(/;$/, '')}.`;
}

function oneLine(text: string): string {
  return redactText(text.replaceAll(/\s*[\r\n]+\s*/g, ' ').trim());
}

function stackOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const own = error.stack ?? error.message;
  const cause = stackOf(error.cause);
  return redactText(cause === undefined ? own : `${own}\ncaused by: ${cause}`);
}
