/**
 * Tells a pooler from a server. For tools.
 *
 * A server announces the process that serves a connection when it is opened; the same process then answers. A pooler
 * announces a number of its own. And if two connections that are open at the same time are answered by one process, the
 * pooler shares it out by transaction: settings of a session then reach others, and ours do not hold.
 */
import type { Connection } from './connection.ts';

/** One row: the process that answers. */
const BACKEND_PROCESS = { text: 'SELECT pg_backend_pid()' };

export interface BackendIdentity {
  /** What the other side said at the start of the connection; `undefined` if it said nothing. */
  readonly announced: number | undefined;
  readonly answering: number;
}

/** @throws StoreError */
export async function readBackendIdentity(connection: Connection): Promise<BackendIdentity> {
  // pg keeps it for cancel requests; it is not part of its types.
  const announced = await connection.answered(
    async (client) => (client as unknown as { processID?: number | null }).processID ?? undefined,
  );
  const { rows } = await connection.query<[pid: number]>(BACKEND_PROCESS);
  return { announced, answering: Number(rows[0]?.[0]) };
}
