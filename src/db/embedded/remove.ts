/** Ends whatever server still runs on a launcher's directory and deletes it: for throw-away clusters. */
import { rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { DataDirectoryInUse, lockOwner } from './lock.ts';
import { findPostmaster, signal } from './postmaster.ts';
import { serversIn, until } from './processes.ts';

const END_MS = 10_000;

/** @throws DataDirectoryInUse when its launcher lives. */
export async function removeEmbedded(dataDir: string): Promise<void> {
  const dir = resolve(dataDir);
  const owner = lockOwner(dir);
  if (owner !== null) throw new DataDirectoryInUse(dir, owner);
  const data = join(dir, 'data');
  const postmaster = findPostmaster(data);
  if (postmaster !== null) signal(postmaster.pid, 'SIGKILL');
  for (const pid of serversIn(data)) signal(pid, 'SIGKILL');
  await until(() => findPostmaster(data) === null && serversIn(data).length === 0, END_MS);
  rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
}
