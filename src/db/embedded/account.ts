/**
 * The operating-system account the server runs under. PostgreSQL refuses to run as root, so root starts it as
 * `nobody`, or as whoever owns the data already. The uid must have a name in passwd: initdb looks it up and
 * fails on one without.
 */
import { readFileSync, statSync } from 'node:fs';

export interface Account {
  uid: number;
  gid: number;
  name: string;
}

const PREFERRED = ['nobody', 'postgres', 'daemon'];

function accounts(): Account[] {
  const found: Account[] = [];
  for (const line of readFileSync('/etc/passwd', 'utf8').split('\n')) {
    const [name, , uid, gid] = line.split(':');
    if (!name || name.startsWith('#') || uid === undefined || gid === undefined) continue;
    // Some systems write nobody as -2; setuid wants the unsigned form.
    found.push({ name, uid: Number(uid) >>> 0, gid: Number(gid) >>> 0 });
  }
  return found;
}

/** The account to change to, or null when the present one will do. `data` need not exist yet. */
export function serverAccount(data: string): Account | null {
  if (process.platform === 'win32' || process.getuid?.() !== 0) return null;
  const all = accounts();
  const owner = statSync(data, { throwIfNoEntry: false })?.uid ?? 0;
  if (owner !== 0) {
    const known = all.find((account) => account.uid === owner);
    if (known !== undefined) return known;
    throw new Error(
      `${data} belongs to uid ${owner}, which has no name in /etc/passwd: give it to \`nobody\``,
    );
  }
  for (const name of PREFERRED) {
    const account = all.find((candidate) => candidate.name === name && candidate.uid !== 0);
    if (account !== undefined) return account;
  }
  throw new Error(`PostgreSQL does not run as root, and /etc/passwd knows none of ${PREFERRED.join(', ')}`);
}

/** The part of `spawn` options that changes the account. */
export function spawnAs(account: Account | null): { uid?: number; gid?: number } {
  return account === null ? {} : { uid: account.uid, gid: account.gid };
}
