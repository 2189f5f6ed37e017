/** What waits for commands: a call for one, or a call for many. */
import { HoldfastError } from '../contract/errors.ts';
import { PartialFailureError } from './client-error.ts';
import type { CommandResult } from './results.ts';

/** Told of each of its commands exactly once. */
export interface Call {
  succeed(index: number, result: CommandResult): void;
  fail(index: number, error: unknown): void;
}

class CallForOne implements Call {
  readonly #resolve: (result: CommandResult) => void;
  readonly #reject: (error: unknown) => void;

  constructor(resolve: (result: CommandResult) => void, reject: (error: unknown) => void) {
    this.#resolve = resolve;
    this.#reject = reject;
  }

  succeed(_index: number, result: CommandResult): void {
    this.#resolve(result);
  }

  fail(_index: number, error: unknown): void {
    this.#reject(error);
  }
}

/** A promise for one command; what `begin` throws, it rejects with. */
export function callForOne<Result extends CommandResult>(begin: (call: Call) => void): Promise<Result> {
  return new Promise((resolve, reject) => {
    begin(new CallForOne(resolve as (result: CommandResult) => void, reject));
  });
}

/**
 * A promise for many commands, of their results in order. If any fails, it rejects once all are settled: with a
 * `PartialFailureError`, or with what is no error of ours, the reason of an abort, as it is.
 */
export function callForMany<Result extends CommandResult>(
  count: number,
  begin: (call: Call) => void,
): Promise<Result[]> {
  if (count === 0) return Promise.resolve([]);
  return new Promise((resolve, reject) => {
    const results = Array.from<Result | undefined>({ length: count });
    let errors: (HoldfastError | undefined)[] | undefined;
    let abort: { readonly reason: unknown } | undefined;
    let open = count;
    const settle = (): void => {
      open -= 1;
      if (open > 0) return;
      if (abort !== undefined) reject(abort.reason);
      else if (errors !== undefined) reject(new PartialFailureError(errors, results));
      else resolve(results as Result[]);
    };
    begin({
      succeed: (index, result) => {
        results[index] = result as Result;
        settle();
      },
      fail: (index, error) => {
        if (error instanceof HoldfastError) {
          errors ??= Array.from<HoldfastError | undefined>({ length: count });
          errors[index] = error;
        } else {
          abort ??= { reason: error };
        }
        settle();
      },
    });
  });
}
