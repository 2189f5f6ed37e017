/**
 * What of an error goes into the log. An allowlist: PostgreSQL puts whole rows into `detail` and `where`, and those are
 * other people's documents.
 */
import { redactText } from './redact-url.ts';

/** Causes followed downwards, and errors of an AggregateError listed. */
const CAUSES_MAX = 4;
const ERRORS_MAX = 8;

/** Longest message and stack, in characters. */
const MESSAGE_CHARACTERS_MAX = 2_000;
const STACK_CHARACTERS_MAX = 8_000;

/** Of our own errors, of the operating system's, and of PostgreSQL's. */
const KEPT = [
  'code',
  'scope',
  'retryable',
  'errno',
  'syscall',
  'address',
  'port',
  'severity',
  'schema',
  'table',
  'column',
  'constraint',
  'routine',
] as const;

/** The loggable form of whatever was thrown; never throws itself. */
export function errorFields(error: unknown): Record<string, unknown> {
  return describe(error, 0);
}

function describe(error: unknown, depth: number): Record<string, unknown> {
  // Something thrown that is no error may be anything, a document included.
  if (!(error instanceof Error)) {
    return {
      type: typeof error,
      message: typeof error === 'string' ? clip(error, MESSAGE_CHARACTERS_MAX) : 'not an error',
    };
  }
  const fields: Record<string, unknown> = {
    type: error.name,
    message: clip(error.message, MESSAGE_CHARACTERS_MAX),
  };
  const properties = error as unknown as Readonly<Record<string, unknown>>;
  for (const key of KEPT) {
    const value = properties[key];
    if (value === undefined) continue;
    if (typeof value === 'string') fields[key] = clip(value, MESSAGE_CHARACTERS_MAX);
    else if (typeof value === 'number' || typeof value === 'boolean') fields[key] = value;
  }
  if (error.stack !== undefined) fields['stack'] = clip(error.stack, STACK_CHARACTERS_MAX);
  if (depth >= CAUSES_MAX) return fields;
  if (error.cause !== undefined) fields['cause'] = describe(error.cause, depth + 1);
  // A failed connection to a name with several addresses has an empty message and one error for each of them.
  if (error instanceof AggregateError) {
    fields['errors'] = error.errors.slice(0, ERRORS_MAX).map((each) => describe(each, CAUSES_MAX));
  }
  return fields;
}

/** Takes anything: a property of an error may have been overwritten with something that is no text. */
function clip(text: unknown, charactersMax: number): string {
  if (typeof text !== 'string') return `a ${typeof text}`;
  const redacted = redactText(text.slice(0, charactersMax));
  return text.length <= charactersMax ? redacted : `${redacted}...`;
}
