/** What would have ended the process. */

/**
 * Runs something and collects the uncaught exceptions meanwhile, instead of the test runner.
 *
 * `action` must resolve only after everything that it sets off.
 */
export async function uncaughtDuring(action: () => Promise<unknown>): Promise<unknown[]> {
  const uncaught: unknown[] = [];
  const collect = (error: unknown): void => void uncaught.push(error);
  const events = ['uncaughtException', 'unhandledRejection'] as const;
  const before = events.map((event) => process.rawListeners(event) as ((error: unknown) => void)[]);
  for (const event of events) process.removeAllListeners(event).on(event, collect);
  try {
    await action();
    // Rejections are reported behind the microtasks of a turn.
    await new Promise((resolve) => setImmediate(resolve));
  } finally {
    for (const [index, event] of events.entries()) {
      process.removeAllListeners(event);
      for (const listener of before[index] ?? []) process.on(event, listener);
    }
  }
  return uncaught;
}
