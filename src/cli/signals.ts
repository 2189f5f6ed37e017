/** Signals that ask the process to end: the only place where handlers are installed. */

import { setImmediate } from 'node:timers/promises';

// SIGHUP is left alone: a handler would undo what nohup asked for.
const SIGNALS = ['SIGINT', 'SIGTERM'] as const;
export type EndSignal = (typeof SIGNALS)[number];

/** Signals that came before anybody handled them. */
const early: EndSignal[] = [];

function hold(signal: NodeJS.Signals): void {
  early.push(signal as EndSignal);
}

/** From now on signals wait until somebody handles them, or lets them do what they do without a handler. */
export function holdEarlySignals(): void {
  for (const signal of SIGNALS) process.on(signal, hold);
}

/** For commands that a signal may end at once, from their begin: so does one that came before. */
export async function releaseEarlySignals(): Promise<void> {
  // One that has come and was not told yet would be lost with its handler; it is told in one of the next two turns.
  await setImmediate();
  await setImmediate();
  for (const signal of SIGNALS) process.off(signal, hold);
  const [first] = early.splice(0);
  if (first !== undefined) process.kill(process.pid, first);
}

/**
 * Calls back for each such signal, with how many there were; at once for those that were held. Without this a signal ends
 * the process at once.
 *
 * @returns takes the handlers away.
 */
export function onEndSignal(handle: (count: number, signal: EndSignal) => void): () => void {
  let count = 0;
  const handler = (signal: NodeJS.Signals): void => {
    count += 1;
    handle(count, signal as EndSignal);
  };
  for (const signal of SIGNALS) {
    process.on(signal, handler);
    process.off(signal, hold);
  }
  for (const signal of early.splice(0)) handler(signal);
  return () => {
    for (const signal of SIGNALS) process.off(signal, handler);
  };
}

/** What is said at the first signal where there is more to do. */
export const STOPPING = 'stopping: what was begun is finished; again to leave at once';

/** Has the first signal abort something, which then ends in order; the second ends the process at once. */
export function abortAtSignal(stopping: AbortController, onStop: () => void): () => void {
  const remove = onEndSignal(() => {
    remove();
    onStop();
    stopping.abort();
  });
  return remove;
}
