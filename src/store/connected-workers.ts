/** Which workers are connected to this database, by the application name of their sessions. For tools. */
import type { Queryable } from './connection.ts';

/** A row for each worker: its name and its sessions. Sessions of other roles show no name to those without pg_monitor. */
const CONNECTED_WORKERS = {
  text: `
    SELECT substr(a.application_name, 10), count(*)::integer
    FROM pg_stat_activity a
    WHERE a.datname = current_database() AND a.application_name LIKE 'holdfast %'
    GROUP BY a.application_name
    ORDER BY a.application_name`,
};

export interface ConnectedWorker {
  readonly name: string;
  readonly sessions: number;
}

/** @throws StoreError */
export async function readConnectedWorkers(connection: Queryable): Promise<ConnectedWorker[]> {
  const { rows } = await connection.query<[name: string, sessions: number]>(CONNECTED_WORKERS);
  return rows.map(([name, sessions]) => ({ name, sessions }));
}
