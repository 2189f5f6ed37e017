/**
 * What a process says about itself: ready if every condition holds, live unless it declared that it cannot go on. A
 * dependency that is down makes it not ready, never not live: a restart would not bring the dependency back.
 */
import { redactText } from './redact-url.ts';

/** The conditions of a worker. */
export const WORKER_CONDITIONS = ['broker', 'store', 'schema', 'consuming', 'letters'] as const;
export type WorkerCondition = (typeof WORKER_CONDITIONS)[number];

export interface ConditionReport {
  readonly ok: boolean;
  /** Why not. */
  readonly reason?: string;
  /** Since when it is so, ISO 8601. */
  readonly since: string;
}

export interface HealthReport {
  readonly live: boolean;
  readonly ready: boolean;
  /** Why the process cannot go on. */
  readonly fatal?: string;
  readonly conditions: Readonly<Record<string, ConditionReport>>;
}

/** The conditions of one process, each failed until it is first said to hold. */
export class Health<Name extends string = string> {
  readonly #conditions = new Map<Name, ConditionReport>();
  readonly #nowMs: () => number;
  #fatal: string | undefined;

  /** @param nowMs milliseconds since 1970. */
  constructor(names: readonly Name[], nowMs: () => number = Date.now) {
    this.#nowMs = nowMs;
    for (const name of names) this.#set(name, false, 'not yet');
  }

  /** The condition holds. Safe to repeat. */
  pass(name: Name): void {
    this.#set(name, true);
  }

  /** The condition does not hold. Safe to repeat; the latest reason counts. */
  fail(name: Name, reason: string): void {
    this.#set(name, false, redactText(reason));
  }

  /** The process cannot go on and wants to be replaced. For good; the first reason counts. */
  declareFatal(reason: string): void {
    this.#fatal ??= redactText(reason);
  }

  get live(): boolean {
    return this.#fatal === undefined;
  }

  get ready(): boolean {
    return this.live && Array.from(this.#conditions.values()).every((condition) => condition.ok);
  }

  report(): HealthReport {
    return {
      live: this.live,
      ready: this.ready,
      ...(this.#fatal === undefined ? {} : { fatal: this.#fatal }),
      conditions: Object.fromEntries(this.#conditions),
    };
  }

  #set(name: Name, ok: boolean, reason?: string): void {
    const before = this.#conditions.get(name);
    const since = before?.ok === ok ? before.since : new Date(this.#nowMs()).toISOString();
    this.#conditions.set(name, { ok, ...(reason === undefined ? {} : { reason }), since });
  }
}
