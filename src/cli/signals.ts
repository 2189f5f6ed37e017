/** Signals that ask the process to end: the only place where handlers are installed. */

// SIGHUP is left alone: a handler would undo what nohup asked for.
const SIGNALS = ['SIGINT', 'SIGTERM'] as const;
export type EndSignal = (typeof SIGNALS)[number];

/**
 * Calls back for each such signal, with how many there were. Without this a signal ends the process at once.
 *
 * @returns takes the handlers away.
 */
export function onEndSignal(handle: (count: number, signal: EndSignal) => void): () => void {
  let count = 0;
  const handler = (signal: NodeJS.Signals): void => {
    count += 1;
    handle(count, signal as EndSignal);
  };
  for (const signal of SIGNALS) process.on(signal, handler);
  return () => {
    for (const signal of SIGNALS) process.off(signal, handler);
  };
}
