/** Calls whose failure a test looks at later. */

/** The promise itself, whose rejection nobody need wait for. */
export function later<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}
