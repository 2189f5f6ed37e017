/**
 * The correlation ids of frames. They say what must be known when the frame itself is forgotten: whether its reply holds
 * failures only, and whether it was sent more than once, so that a conflict may be with its own earlier attempt.
 */

export interface Correlation {
  /** `failures`: lines for failures only, nothing is kept of the frame. `answers`: one line for each command. */
  readonly mode: 'failures' | 'answers';
  /** From 1. */
  readonly attempt: number;
  readonly messageId: string;
}

const PATTERN = /^([fa])([0-9]{1,9}):(.+)$/;

export function correlationId({ mode, attempt, messageId }: Correlation): string {
  return `${mode === 'failures' ? 'f' : 'a'}${attempt}:${messageId}`;
}

/** `undefined` if the client did not make it. */
export function readCorrelationId(text: unknown): Correlation | undefined {
  const match = typeof text === 'string' ? PATTERN.exec(text) : null;
  const [, mode, attempt, messageId] = match ?? [];
  if (mode === undefined || attempt === undefined || messageId === undefined) return undefined;
  return { mode: mode === 'f' ? 'failures' : 'answers', attempt: Number(attempt), messageId };
}
