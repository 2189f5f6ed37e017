// Statements on a connection of their own: for what prepares and removes, not for what is tested or measured.

import { Client } from 'pg';

/** One after the other; the first that fails is the last. */
export async function runSql(databaseUrl: string, ...statements: string[]): Promise<void> {
  const client = new Client({ connectionString: databaseUrl });
  // The server may be taken away; the statement under way says so.
  client.on('error', () => undefined);
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}
