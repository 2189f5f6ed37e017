// Finds the user as whom root runs a server that refuses to run as root.

import { readFile } from 'node:fs/promises';

export interface Account {
  uid: number;
  gid: number;
}

/** The first of the named users that exists. Undefined unless we are root: others run everything as themselves. */
export async function unprivilegedAccount(names: string[]): Promise<Account | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const users = new Map<string, Account>();
  for (const line of (await readFile('/etc/passwd', 'utf8')).split('\n')) {
    const [name, , uid, gid] = line.split(':');
    if (name && Number(uid) > 0) users.set(name, { uid: Number(uid), gid: Number(gid) });
  }
  for (const name of names) {
    const account = users.get(name);
    if (account !== undefined) return account;
  }
  throw new Error(`PostgreSQL does not run as root, and there is no user ${names.join(' or ')} to run it as`);
}
