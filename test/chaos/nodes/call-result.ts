/** What a call of the client library came to, in the words of the history. */
import { ClientError, OutcomeError } from 'holdfast';
import type { WriteOutcome } from '../oracle/history.ts';

/** What a load resolves with, as far as it is recorded. */
export type Loaded = {
  readonly found: boolean;
  readonly version: number;
  readonly epoch: number;
  readonly text?: string | undefined;
};

/** The outcome of one write, from its result or its error. */
export function outcomeOf(
  result: unknown,
  error: unknown,
): { outcome: WriteOutcome; storedVersion: number | undefined } {
  if (error instanceof OutcomeError) return { outcome: error.outcome, storedVersion: error.storedVersion };
  if (error instanceof ClientError && (error.code === 'TIMEOUT' || error.code === 'UNAVAILABLE')) {
    return { outcome: 'unknown', storedVersion: undefined };
  }
  if (error !== undefined) return { outcome: 'unsent', storedVersion: undefined };
  const { outcome, storedVersion } = result as {
    outcome: 'confirmed' | 'applied' | 'superseded';
    storedVersion: number | undefined;
  };
  return { outcome, storedVersion };
}
