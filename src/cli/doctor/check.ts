/** One thing that doctor looked at, and what it found. */

/** warn: works, but not as it should. fail: does not work. unreachable: could not be looked at. */
export type CheckStatus = 'ok' | 'warn' | 'fail' | 'unreachable';

export interface Check {
  readonly area: 'process' | 'configuration' | 'RabbitMQ' | 'PostgreSQL';
  /** What was looked at, in a few words. */
  readonly name: string;
  readonly status: CheckStatus;
  /** What was found. */
  readonly found: string;
  /** What to do about it; not where all is well. */
  readonly advice: string | undefined;
}

/** Makes the checks of one area. */
export class CheckList {
  readonly checks: Check[] = [];
  readonly #area: Check['area'];

  constructor(area: Check['area']) {
    this.#area = area;
  }

  ok(name: string, found: string): void {
    this.#add(name, 'ok', found, undefined);
  }

  warn(name: string, found: string, advice: string): void {
    this.#add(name, 'warn', found, advice);
  }

  fail(name: string, found: string, advice: string): void {
    this.#add(name, 'fail', found, advice);
  }

  unreachable(name: string, found: string, advice: string): void {
    this.#add(name, 'unreachable', found, advice);
  }

  #add(name: string, status: CheckStatus, found: string, advice: string | undefined): void {
    this.checks.push({ area: this.#area, name, status, found, advice });
  }
}
